"""The functions that RQ calls by name. Each takes an id and leaves the rest to a service."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from bot.config import Config
from bot.wiring import Services, build, warm_up

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _services() -> Services:
    return build(Config.from_env(os.environ))


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Log a job with how long it took; what it raises goes on to RQ, which logs it."""
    begun = time.monotonic()
    yield
    log.info("%s took %.0f ms", what, (time.monotonic() - begun) * 1000)


def receive(delivery_id: str) -> None:
    """Carry out what a webhook call leads to."""
    with _told(f"receive {delivery_id}"):
        _services().intake.handle(delivery_id)


def advance(run_id: str) -> None:
    """Carry a run on as far as it goes."""
    with _told(f"advance {run_id}"):
        _services().phases.advance(run_id)


def report(subject: str) -> None:
    """Bring to the forge what should stand there about a change or a commit."""
    with _told(f"report {subject}"):
        _services().reporting.report(subject)


def replay(replay_id: str) -> None:
    """Try a change of a policy set on stored plans."""
    with _told(f"replay {replay_id}"):
        _services().replaying.replay(replay_id)


def sweep() -> None:
    """Wake workers for whatever is due and lies about."""
    services = _services()
    services.sweep.run()
    services.dispatch.note_sweep(services.clock.now())


def prepare() -> None:
    """Build and warm up the services once in the worker, for every job's process to inherit.

    Raises ConfigError.
    """
    warm_up(_services())
