"""The cursor: what a page already has of a run, so that no output is sent twice or lost.

`<signature>.<plan>.<apply>`: the signature tells whether anything but the output has changed. Of each stage
it says how many characters and lines the page has, and a checksum of the last ones: where the stage has begun
again since (its worker was lost), the checksum does not fit, and the page gets its output from the beginning.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace

from bot.services.ports import Transaction
from bot.web.page.output import MOST_LINES, lines_of, whole_lines

_CHECKED = 64
_FORM = re.compile(
    r"([0-9a-f]{0,16})\.(\d{1,9})-(\d{1,9})-(\d{1,10})\.(\d{1,9})-(\d{1,9})-(\d{1,10})", re.ASCII
)


@dataclass(frozen=True)
class OutputPosition:
    """A page's position in a stage's output: characters, lines, and a checksum of the last characters."""

    offset: int = 0
    line: int = 0
    check: int = 0


BEGINNING = OutputPosition()


@dataclass(frozen=True)
class Cursor:
    """A page's cursor: the signature of the run, and the position in each stage's output."""

    signature: str = ""
    plan: OutputPosition = BEGINNING
    apply: OutputPosition = BEGINNING

    def __str__(self) -> str:
        places = (f"{it.offset}-{it.line}-{it.check}" for it in (self.plan, self.apply))
        return ".".join((self.signature, *places))

    def of(self, stage: str) -> OutputPosition:
        """Return the page's position in a stage's output."""
        return self.apply if stage == "apply" else self.plan

    def moved(self, stage: str, place: OutputPosition) -> Cursor:
        """Return it with another place in a stage's output."""
        return replace(self, apply=place) if stage == "apply" else replace(self, plan=place)


def read_cursor(text: str) -> Cursor:
    """Parse a browser's cursor; an invalid one means that the page has nothing."""
    found = _FORM.fullmatch(text[:100])
    if found is None:
        return Cursor()
    numbers = [int(each) for each in found.groups()[1:]]
    return Cursor(found[1], OutputPosition(*numbers[:3]), OutputPosition(*numbers[3:]))


@dataclass(frozen=True)
class Piece:
    """New lines of a stage's output. `first` is the number of the first.

    If `anew`, they replace what the page has. `text` is new output, `place` the page's position after it.
    """

    lines: tuple[str, ...]
    first: int
    anew: bool
    text: str
    place: OutputPosition


def new_output(
    tx: Transaction, run_id: str, stage: str, place: OutputPosition, *, running: bool
) -> Piece | None:
    """Return the output after a position, None if there is none.

    While the stage runs, only whole lines. If there are too many, only the last ones, in place of all.
    """
    if place == BEGINNING:
        return _end_of_output(tx, run_id, stage, running=running)
    back = min(place.offset, _CHECKED)
    text = tx.artifacts.output(run_id, stage, place.offset - back)
    if len(text) < back or _checksum(text[:back]) != place.check:
        return _end_of_output(tx, run_id, stage, running=running) or Piece((), 1, True, "", BEGINNING)
    new = whole_lines(text[back:]) if running else text[back:]
    lines = lines_of(new)
    if not lines:
        return None
    at = OutputPosition(
        place.offset + len(new), place.line + len(lines), _checksum((text[:back] + new)[-_CHECKED:])
    )
    shown = lines[-MOST_LINES:]
    return Piece(tuple(shown), at.line - len(shown) + 1, len(shown) < len(lines), new, at)


def _end_of_output(tx: Transaction, run_id: str, stage: str, *, running: bool) -> Piece | None:
    """Return the output as a page without any of it gets it. An output may be long: only its end is read."""
    # One more: the first that is read may be the rest of a line.
    end = tx.artifacts.output_end(run_id, stage, MOST_LINES + 1)
    new = whole_lines(end.text) if running else end.text
    lines = lines_of(new)
    if not lines:
        return None
    at = OutputPosition(end.offset + len(new), end.lines + len(lines), _checksum(new[-_CHECKED:]))
    shown = lines[-MOST_LINES:]
    return Piece(tuple(shown), at.line - len(shown) + 1, True, new, at)


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "replace"))
