"""Trying again what a network kept from being begun, while a worker holds the run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from bot.domain.errors import Interrupted, RemoteUnavailable
from bot.services.ports import Clock, Stop, Watch

# Between two tries: a network that is away for longer than these together ends the run.
PAUSES = (timedelta(seconds=5), timedelta(seconds=20), timedelta(seconds=60), timedelta(seconds=120))
_SLICE = timedelta(seconds=1)

_Result = TypeVar("_Result")


def patiently(do: Callable[[], _Result], clock: Clock, watch: Watch) -> _Result:
    """Do something that raises RemoteUnavailable only while nothing has been begun; again where it does.

    Raises Interrupted where the watcher wants it to stop meanwhile, and what `do` raises the last time.
    """
    for pause in PAUSES:
        try:
            return do()
        except RemoteUnavailable as error:
            watch.output(f"{error}\nIt is tried again in {int(pause.total_seconds())} seconds.\n")
        until = clock.now() + pause
        while clock.now() < until:
            if watch.tick() is not Stop.GO_ON:
                raise Interrupted("nothing was begun when it was stopped")
            clock.wait(_SLICE)
    return do()
