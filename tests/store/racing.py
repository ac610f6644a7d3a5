"""Racers: functions that begin at the same moment, in threads or in processes of their own."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_FORK = multiprocessing.get_context("fork")


def in_threads(racers: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what each returned or raised."""
    start = threading.Barrier(len(racers))

    def race(racer: Callable[[], Any]) -> Any:
        start.wait(timeout=30)
        try:
            return racer()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(racers)) as pool:
        return list(pool.map(race, racers))


def in_processes(racers: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what each returned, or the words of what it raised; forked, so they carry the parent's store."""
    start = _FORK.Barrier(len(racers))
    receivers, processes = [], []
    for racer in racers:
        receiver, sender = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_race, args=(racer, start, sender))
        process.start()
        sender.close()
        receivers.append(receiver)
        processes.append(process)
    results = [receiver.recv() if receiver.poll(60) else "no answer" for receiver in receivers]
    for process in processes:
        process.join(30)
    return results


def _race(racer: Callable[[], Any], start: Any, sender: Any) -> None:
    try:
        start.wait(timeout=30)
        sender.send(racer())
    except Exception as error:
        sender.send(repr(error))
