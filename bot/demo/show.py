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
from bot.demo.stage import Stage, is_free
from bot.demo.story import Story
from bot.domain.errors import ConfigError, PlangateError
from bot.wiring import configured
from bot.wiring.engine import sandbox_of

# Settings that a demo takes from the environment if they are set there.
_TAKEN = ("DATABASE_URL", "PLANGATE_TERRAFORM_DIR", "PLANGATE_TERRAFORM_FROM_PATH", "PLANGATE_SANDBOX")


PORT = 8100
"""The port of the demo's pages, unless another is asked for. The playground forge has the next one."""


def show(data: Path, *, once: bool, kind: str = "github", port: int = PORT) -> bool:
    """Tell the story in a folder that is emptied first; return whether all of it happened.

    `kind` is the forge that the playground plays: `github` or `gitlab`. The pages are at `port`, the
    playground at the next one.

    Raises ConfigError if the folder can't be used, is not a demo's, or another demo is at work in it. Also if
    a port is in use.
    """
    screen = Screen()
    ports = (port, port + 1)
    _check_ports(ports)
    with _alone(data):
        # Ended in this way too, it must leave no process at work on a folder that the next one empties.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        stage = _stage(data, kind, ports)
        told = False
        try:
            screen.title()
            if loud := sandbox_of(configured(stage.environment())).warning():
                screen.say(f"Left out of this demo: {loud}")
            links = Story(stage, screen).tell()
            told = True
            screen.finish([] if once else links)
            if not once:
                screen.wait()
                _serve(stage)
        except KeyboardInterrupt:
            if not told:
                screen.interrupted()
            return told
        except PlangateError as error:
            screen.fail(str(error))
            return False
        finally:
            # A second Ctrl-C must not leave processes behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            stage.stop()
    return True


def _stage(data: Path, kind: str, ports: tuple[int, int]) -> Stage:
    taken = {name: os.environ[name] for name in _TAKEN if os.environ.get(name)}
    settings = {
        "PLANGATE_LOCAL_ADMIN": "admin",
        "PLANGATE_SWEEP_SECONDS": "2",
        # The bundled Terraform, so that the story is the same everywhere.
        "PLANGATE_TERRAFORM_FROM_PATH": "false",
        **taken,
    }
    redis = os.environ.get("REDIS_URL", "")
    return Stage(data, sample.manifest(kind), settings, redis_url=redis, kind=kind, ports=ports)


def _check_ports(ports: tuple[int, int]) -> None:
    """Check this before anything is deleted. Raises ConfigError."""
    if taken := [str(port) for port in ports if not is_free(port)]:
        what = (
            f"port {taken[0]} of 127.0.0.1 is"
            if len(taken) == 1
            else f"ports {' and '.join(taken)} of 127.0.0.1 are"
        )
        raise ConfigError(
            f"{what} in use, perhaps by another demo: stop what listens there, or choose two free ports that "
            f"follow each other, such as --port {ports[0] + 100}"
        )


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Empty the folder. Raises ConfigError if another demo runs in it, or it is not a demo's folder."""
    name = data.absolute().with_name(f"{data.absolute().name}.lock")
    try:
        # The lock beside it tells that a demo has used it before; of no other folder anything is deleted.
        if not name.exists() and data.exists() and any(data.iterdir()):
            raise ConfigError(f"{data} has files that are not from a demo: choose a new folder with --data")
        name.parent.mkdir(parents=True, exist_ok=True)
        lock = name.open("w")
    except OSError as error:
        raise ConfigError(f"{data} can't be used: {error.strerror}; choose a folder with --data") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another demo runs in {data}: stop it first, or use --data DIR") from None
        if data.exists():
            shutil.rmtree(data)
        yield


def _serve(stage: Stage) -> None:
    while True:
        time.sleep(1)
        stage.check()
