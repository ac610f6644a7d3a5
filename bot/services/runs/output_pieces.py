"""A stage's output piece by piece, for programs that follow it: each piece says where the next one begins.

A follower hands back its position with a checksum of the last characters that it has. If the stage has begun
again since (its worker was lost), the checksum is another one, and the follower gets the output from the
beginning.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from bot.domain.errors import NotFound
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person
from bot.domain.runs.lifecycle import StageStatus
from bot.domain.runs.run import Run
from bot.services.outbox.audit_log import done
from bot.services.ports import Clock, Store

STAGES = ("plan", "apply")

LONGEST = 500_000
"""How many characters a piece may have."""

_CHECKED = 64
_AFTER = re.compile(r"([0-9]{1,9})-([0-9]{1,10})", re.ASCII)
_UNDER_WAY = frozenset({StageStatus.PENDING, StageStatus.QUEUED, StageStatus.RUNNING})


@dataclass(frozen=True)
class OutputPiece:
    """Output from a position on; `after` is the position after it.

    If `anew`, it begins at the beginning: what the follower has is no longer the stage's output. `complete`:
    nothing more comes.
    """

    text: str = field(repr=False)
    anew: bool
    after: str
    complete: bool


def read_piece(
    store: Store, clock: Clock, person: Person, run_id: str, stage: str, after: str = ""
) -> OutputPiece:
    """Return the output after a position. Reading from the beginning is in the audit log. Raises NotFound."""
    if stage not in STAGES:
        raise NotFound(f"a run has a plan and an apply, but no {stage}")
    with store.reading() as tx:
        run = tx.runs.get(run_id)
        complete = is_over(run, stage)
        offset, check = _position(after)
        back = min(offset, _CHECKED)
        # One more than a piece may have says whether more follows.
        text = tx.artifacts.output(run_id, stage, offset - back, back + LONGEST + 1)
        anew = offset == 0 or len(text) < back or _checksum(text[:back]) != check
        if anew and offset:
            offset, back, text = 0, 0, tx.artifacts.output(run_id, stage, 0, LONGEST + 1)
    if anew and text:
        with store.transaction() as tx:
            done(tx, clock, person, AuditAction.READ_OUTPUT, run, stage)
    new = text[back : back + LONGEST]
    at, last = offset + len(new), text[: back + len(new)][-_CHECKED:]
    whole = back + len(new) == len(text)
    # Nothing yet: the beginning stays the position.
    return OutputPiece(new, anew, f"{at}-{_checksum(last)}" if at else "", complete and whole)


def is_over(run: Run, stage: str) -> bool:
    """Whether a stage has all of its output."""
    status = run.plan_status if stage == "plan" else run.apply_status
    return run.final or status not in _UNDER_WAY


def _position(after: str) -> tuple[int, int]:
    found = _AFTER.fullmatch(after)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "replace"))
