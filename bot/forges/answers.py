"""Errors for answers of a forge's API that don't have the documented shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bot.domain.errors import ForgeRefused, Invalid


class Answering:
    """An API at one address. `where` is how messages name it."""

    where: str

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
