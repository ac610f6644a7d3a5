"""What is known on this machine of an apply, also after its worker was lost: a few files in the run's folder.

The supervisor of the apply holds the lock of a file for as long as it lives. At the end it writes down how
Terraform ended. A worker that takes over reads both. The run's processes see none of it in their sandbox.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import EngineError
from bot.services.ports import Watch, WatchSignal
from bot.terraform.files.runfolder import RunFolder, remove_tree
from bot.terraform.processes.transcript import success_of
from bot.terraform.sandbox.limits import descendants
from bot.terraform.sandbox.task import Verdict

ERRORED_STATE = "errored.tfstate"
_LOCK, _ENDED = "apply.lock", "apply.ended"
_POLL_SECONDS, _TICK_SECONDS = 0.1, 1.0
_LARGEST_OUTPUT = 4 << 20


@dataclass(frozen=True)
class ApplyEnding:
    """How an apply ended: Terraform's exit code, and what it said of its success.

    `only_unsaved` says that nothing failed but to store the state.
    """

    code: int
    summary: str = ""
    only_unsaved: bool = False


class ApplyRecord:
    """The record of an apply that begins. The supervisor keeps `descriptor` open, and with it the lock.

    `deliver` hands over what an apply without a worker leaves: its state, and whether all was applied.
    """

    def __init__(
        self, folder: RunFolder, directory: Path, deliver: Callable[[bytes, bool], None] | None
    ) -> None:
        self._folder = folder
        self._directory = directory
        self._deliver = deliver
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(folder.root / _LOCK, flags, 0o600)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def begun(self) -> None:
        """Write down who looks after the apply. Called by the supervisor."""
        where = str(self._directory.relative_to(self._folder.tree))
        os.pwrite(self.descriptor, json.dumps({"pid": os.getpid(), "directory": where}).encode(), 0)

    def ended(self, verdict: Verdict, out: int, *, orphaned: bool) -> None:
        """Write down how Terraform ended, and deliver what it left if it has no worker any more.

        Called by the supervisor; `out` is the file with the output.
        """
        said = success_of(_output(out))
        code = verdict.code or (1 if verdict.exceeded else 0)
        ended = ApplyEnding(code, said.summary, said.only_unsaved and not verdict.exceeded)
        with contextlib.suppress(EngineError, OSError):
            self._folder.write(self._folder.root / _ENDED, json.dumps(vars(ended)).encode())
        if not orphaned or self._deliver is None:
            return
        state = self._folder.read(self._directory / ERRORED_STATE) or b""
        # From here on, a worker of this machine can take over: it needs no web to store the state.
        self.close()
        self._deliver(state, not ended.code or ended.only_unsaved)

    def close(self) -> None:
        """Leave the lock to the supervisor. Closing it again does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class LeftApply:
    """What lies on this machine of an apply that somebody else began."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    @property
    def known(self) -> bool:
        """Whether an apply was begun here."""
        return self._folder.read(self._folder.root / _LOCK) is not None

    def at_work(self) -> bool:
        """Whether the supervisor of the apply is alive."""
        try:
            descriptor = os.open(self._folder.root / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def wait(self, watch: Watch) -> None:
        """Wait for its end. Kills it if the watcher wants that; it was interrupted when its worker died."""
        next_tick = 0.0
        while self.at_work():
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_SECONDS
                if watch.tick() is WatchSignal.KILL:
                    self._kill()
            time.sleep(_POLL_SECONDS)

    def ended(self) -> ApplyEnding | None:
        """Return how the apply ended, None if nobody saw it."""
        try:
            return ApplyEnding(**json.loads(self._folder.read(self._folder.root / _ENDED) or b""))
        except (ValueError, TypeError):
            return None

    def state(self) -> bytes:
        """Return the state that the apply could not push, empty if there is none."""
        place = self._state()
        return (self._folder.read(place) or b"") if place else b""

    def forget_state(self) -> None:
        """Delete that state: it is stored."""
        if place := self._state():
            remove_tree(place)

    def _state(self) -> Path | None:
        where = self._noted().get("directory")
        try:
            return self._folder.working_directory(str(where)) / ERRORED_STATE if where else None
        except EngineError:
            return None

    def _noted(self) -> dict[str, object]:
        try:
            noted = json.loads(self._folder.read(self._folder.root / _LOCK) or b"")
        except ValueError:
            return {}
        return noted if isinstance(noted, dict) else {}

    def _kill(self) -> None:
        pid = self._noted().get("pid")
        # Its lock is held, so the number is still its own.
        if isinstance(pid, int) and pid > 1 and self.at_work():
            for each in (*descendants(pid, own=False), pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(each, signal.SIGKILL)


def _output(out: int) -> str:
    """Return the last of an output; the errors that matter here stand at its end."""
    size = os.fstat(out).st_size
    return os.pread(out, _LARGEST_OUTPUT, max(0, size - _LARGEST_OUTPUT)).decode(errors="replace")
