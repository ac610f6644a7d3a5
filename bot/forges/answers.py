"""Calls of a forge's API: counting them, and errors for answers without the documented shape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.domain.errors import ForgeRefused, Invalid
from bot.services.metrics.catalogue import FORGE_CALLS, FORGE_CALLS_LEFT, FORGE_SECONDS
from bot.services.metrics.series import SilentMeter
from bot.services.ports import Meter

_LONGEST_NUMBER = 12


class Answering:
    """An API at one address. `where` is how messages name it."""

    where: str
    meter: Meter = SilentMeter()

    @contextmanager
    def counting(self) -> Iterator[Callable[[int, str | None], None]]:
        """Count the call in the block, and how long it took.

        Yields what to call with the status of the answer, and with the header that says how many requests
        the rate limit leaves. Not called: there was no answer.
        """
        answer, begun = "none", time.monotonic()

        def answered(status: int, left: str | None) -> None:
            nonlocal answer
            answer = f"{status // 100}xx"
            if left is not None and left.isascii() and left.isdigit() and len(left) < _LONGEST_NUMBER:
                self.meter.set(FORGE_CALLS_LEFT, int(left), forge=self.where)

        try:
            yield answered
        finally:
            self.meter.count(FORGE_CALLS, forge=self.where, answer=answer)
            self.meter.observe(FORGE_SECONDS, time.monotonic() - begun, forge=self.where)

    def unexpected(self, what: str, reason: Invalid | None = None) -> ForgeRefused:
        """Return the error for an answer of an unknown shape; `what` names the request in words."""
        detail = f": {reason}" if reason else ""
        return ForgeRefused(f"{self.where} answered in an unknown shape when asked for {what}{detail}")

    @contextmanager
    def expecting(self, what: str) -> Iterator[None]:
        """Translate Invalid, raised for a missing or wrong field within the block, into that error."""
        try:
            yield
        except Invalid as reason:
            raise self.unexpected(what, reason) from reason
