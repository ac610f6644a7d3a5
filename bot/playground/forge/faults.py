"""Trouble on demand, and a record of who asked for what: how a bot behaves when the forge does not."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Call(NamedTuple):
    """One request that the forge answered."""

    method: str
    path: str
    user: str
    status: int


class CallLog:
    """Every request to the API and to Git, in the order of the answers."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = Lock()

    def __iter__(self) -> Iterator[Call]:
        return iter(self.matching())

    def __len__(self) -> int:
        return len(self._calls)

    def record(self, call: Call) -> None:
        """Keep a call."""
        with self._lock:
            self._calls.append(call)

    def matching(self, method: str = "", path_regex: str = "") -> list[Call]:
        """List the calls of a kind."""
        with self._lock:
            return [
                call
                for call in self._calls
                if method in ("", call.method) and re.search(path_regex, call.path) is not None
            ]

    def clear(self) -> None:
        """Forget what was."""
        with self._lock:
            self._calls.clear()


@dataclass(eq=False)
class Fault:
    """One kind of trouble. With `after` the request takes effect and only its answer is lost.

    `cut` closes the connection without an answer. `share` is the share of the requests that it hits, `login`
    whose requests; an empty one is everybody's.
    """

    method: str
    path_regex: str
    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = 1
    body: object = None
    after: bool = False
    delay: float = 0.0
    cut: bool = False
    share: float = 1.0
    login: str = ""
    dice: random.Random = field(default_factory=random.Random)
    seen: int = 0

    def answer(self) -> object:
        """Give the body of the answer, in GitHub's form unless another was given."""
        return {"message": "Something went wrong."} if self.body is None else self.body


class Faults:
    """The troubles in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(
        self,
        method: str,
        path_regex: str,
        status: int | None = 500,
        headers: Mapping[str, str] | None = None,
        *,
        times: int | None = 1,
        body: object = None,
        after: bool = False,
        delay: float = 0.0,
        cut: bool = False,
        share: float = 1.0,
        login: str = "",
        seed: int | None = None,
    ) -> Fault:
        """Answer the next calls of a kind with an error or, with no status, only late; "" is any method."""
        dice = random.Random(seed)  # noqa: S311 -- which calls fail, for tests
        fault = Fault(
            method, path_regex, status, headers or {}, times, body, after, delay, cut, share, login, dice
        )
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str, login: str = "", *, after: bool) -> Fault | None:
        """Use up one occurrence of the trouble that fits a request, and sit out its delay."""
        with self._lock:
            found = next((f for f in self._faults if self._fits(f, method, path, login, after)), None)
            if found is None:
                return None
            found.seen += 1
        time.sleep(found.delay)
        return found

    def _fits(self, fault: Fault, method: str, path: str, login: str, after: bool) -> bool:
        left = fault.times is None or fault.seen < fault.times
        here = fault.method in ("", method) and re.search(fault.path_regex, path) is not None
        theirs = fault.after == after and fault.login in ("", login)
        # The dice last: they are cast only for requests that the fault is about.
        return left and here and theirs and (fault.share >= 1 or fault.dice.random() < fault.share)
