"""What a page has of a run, in a few characters that it hands back: so nothing comes twice or is lost.

`<signature>.<plan>.<apply>`: the signature tells whether anything but the output has changed. Of each stage
it says how many characters and lines the page has, and a checksum of the last ones: where the stage has begun
again since (its worker was lost), the checksum does not fit, and the page gets its output from the beginning.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace

from bot.services.ports import Transaction
from bot.web.output import MOST_LINES, lines_of, whole_lines

STAGES = ("plan", "apply")
_CHECKED = 64
_FORM = re.compile(
    r"([0-9a-f]{0,16})\.(\d{1,9})-(\d{1,9})-(\d{1,10})\.(\d{1,9})-(\d{1,9})-(\d{1,10})", re.ASCII
)


@dataclass(frozen=True)
class Place:
    """Up to where a page has a stage's output: in characters, in lines, and a checksum of the last ones."""

    offset: int = 0
    line: int = 0
    check: int = 0


BEGINNING = Place()


@dataclass(frozen=True)
class Seen:
    """What a page has of a run."""

    signature: str = ""
    plan: Place = BEGINNING
    apply: Place = BEGINNING

    def __str__(self) -> str:
        places = (f"{it.offset}-{it.line}-{it.check}" for it in (self.plan, self.apply))
        return ".".join((self.signature, *places))

    def of(self, stage: str) -> Place:
        """Return where the page is in a stage's output."""
        return self.apply if stage == "apply" else self.plan

    def moved(self, stage: str, place: Place) -> Seen:
        """Return it with another place in a stage's output."""
        return replace(self, apply=place) if stage == "apply" else replace(self, plan=place)


def read_seen(text: str) -> Seen:
    """Read what a browser handed back; whatever it is, the page has nothing then."""
    found = _FORM.fullmatch(text[:100])
    if found is None:
        return Seen()
    numbers = [int(each) for each in found.groups()[1:]]
    return Seen(found[1], Place(*numbers[:3]), Place(*numbers[3:]))


@dataclass(frozen=True)
class Piece:
    """New lines of a stage's output. `first` is the number of the first.

    `anew` says that they replace what the page has. `text` is what is new, `place` where the page is then.
    """

    lines: tuple[str, ...]
    first: int
    anew: bool
    text: str
    place: Place


def new_output(tx: Transaction, run_id: str, stage: str, place: Place, *, running: bool) -> Piece | None:
    """Return what a page that is at a place does not have, None where it has all.

    While the stage runs, whole lines only. Where there is more than fits, the last lines, in place of all.
    """
    back = min(place.offset, _CHECKED)
    text = tx.artifacts.output(run_id, stage, place.offset - back)
    again = back > 0 and (len(text) < back or _checksum(text[:back]) != place.check)
    if again:
        text, place, back = tx.artifacts.output(run_id, stage), BEGINNING, 0
    new = whole_lines(text[back:]) if running else text[back:]
    lines = lines_of(new)
    if not lines and not again:
        return None
    at = Place(place.offset + len(new), place.line + len(lines), _checksum((text[:back] + new)[-_CHECKED:]))
    shown = lines[-MOST_LINES:]
    anew = place == BEGINNING or len(shown) < len(lines)
    return Piece(tuple(shown), at.line - len(shown) + 1, anew, new, at)


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "replace"))
