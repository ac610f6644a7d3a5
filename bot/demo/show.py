"""Showing the story: on an empty folder, alone, and served on until Ctrl-C unless it is told once."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.demo import sample
from bot.demo.screen import Screen
from bot.demo.stage import Stage
from bot.demo.story import Story
from bot.domain.errors import ConfigError, PlangateError

# Settings that a demo takes from the environment where they are set there.
_TAKEN = ("DATABASE_URL", "PLANGATE_TERRAFORM_DIR", "PLANGATE_TERRAFORM_FROM_PATH", "PLANGATE_SANDBOX")


def show(data: Path, *, once: bool, kind: str = "github") -> bool:
    """Tell the story in a folder that is emptied first; return whether all of it happened.

    `kind` is the forge that the playground plays: `github` or `gitlab`.

    Raises ConfigError where another demo is at work in the folder.
    """
    screen = Screen()
    # Ended in this way too, it must leave no process behind, at work on a folder that the next one empties.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _alone(data):
        stage = _stage(data, kind)
        try:
            screen.title()
            Story(stage, screen).tell()
            if not once:
                screen.wait()
                _serve(stage)
        except KeyboardInterrupt:
            return True
        except PlangateError as error:
            screen.fail(str(error))
            return False
        finally:
            stage.stop()
    return True


def _stage(data: Path, kind: str) -> Stage:
    taken = {name: os.environ[name] for name in _TAKEN if os.environ.get(name)}
    settings = {
        "PLANGATE_LOCAL_ADMIN": "admin",
        "PLANGATE_SWEEP_SECONDS": "2",
        # The bundled Terraform, so that the story is the same everywhere.
        "PLANGATE_TERRAFORM_FROM_PATH": "false",
        **taken,
    }
    return Stage(data, sample.manifest(kind), settings, redis_url=os.environ.get("REDIS_URL", ""), kind=kind)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Empty the folder, unless another demo is at work in it. Raises ConfigError."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with data.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another demo runs in {data}: end it first, or use --data DIR") from None
        if data.exists():
            shutil.rmtree(data)
        yield


def _serve(stage: Stage) -> None:
    while True:
        time.sleep(1)
        stage.check()
