"""What both forges' APIs say of an answer that is not of the shape that is documented."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bot.domain.errors import ForgeRefused, Invalid


class Answering:
    """An API at one address. `where` is how messages name it."""

    where: str

    def unexpected(self, what: str, reason: Invalid | None = None) -> ForgeRefused:
        """Return the error for an answer of an unknown shape; `what` says in words what was asked for."""
        detail = f": {reason}" if reason else ""
        return ForgeRefused(f"{self.where} answered in an unknown shape when asked for {what}{detail}")

    @contextmanager
    def expecting(self, what: str) -> Iterator[None]:
        """Raise that error for a field that is missing or wrong (Invalid) in what is read within."""
        try:
            yield
        except Invalid as reason:
            raise self.unexpected(what, reason) from reason
