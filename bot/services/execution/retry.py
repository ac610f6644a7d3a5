"""Retries what a network failure kept from starting, while a worker holds the run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from bot.domain.errors import Interrupted, RemoteUnavailable
from bot.services.ports import Clock, Watch, WatchSignal

# Pauses between the attempts. A network that is down for longer ends the run.
PAUSES = (timedelta(seconds=5), timedelta(seconds=20), timedelta(seconds=60), timedelta(seconds=120))
_SLICE = timedelta(seconds=1)

_Result = TypeVar("_Result")


def patiently(do: Callable[[], _Result], clock: Clock, watch: Watch) -> _Result:
    """Call `do`, which raises RemoteUnavailable only if nothing has begun. Retry it then.

    Raises Interrupted if the watcher wants to stop, and the last exception of `do`.
    """
    for pause in PAUSES:
        try:
            return do()
        except RemoteUnavailable as error:
            watch.output(f"{error}\nRetry in {int(pause.total_seconds())} seconds.\n")
        until = clock.now() + pause
        while clock.now() < until:
            if watch.tick() is not WatchSignal.GO_ON:
                raise Interrupted("stopped before anything had begun")
            clock.wait(_SLICE)
    return do()
