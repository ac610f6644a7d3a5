"""The functions that RQ calls by name. Each takes an id and leaves the rest to a service."""

from __future__ import annotations

import os
from functools import lru_cache

from bot.config import Config
from bot.wiring import Services, build


@lru_cache(maxsize=1)
def _services() -> Services:
    return build(Config.from_env(os.environ))


def receive(delivery_id: str) -> None:
    """Carry out what a webhook call leads to."""
    _services().intake.handle(delivery_id)


def advance(run_id: str) -> None:
    """Carry a run on as far as it goes."""
    _services().phases.advance(run_id)


def report(subject: str) -> None:
    """Bring to the forge what should stand there about a change or a commit."""
    _services().reporting.report(subject)


def sweep() -> None:
    """Wake workers for whatever is due and lies about."""
    _services().sweep.run()


def prepare() -> None:
    """Build the services once in the worker, for every job's process to inherit. Raises ConfigError."""
    _services()
