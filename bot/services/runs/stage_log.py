"""The log of a stage as clients of the API read it: bytes from an offset, between STX and ETX.

Offsets never move: what is written once stays where it is. Clients drop the first three lines of an apply's
log, which are a preamble there.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from bot.domain.runs.lifecycle import StageStatus
from bot.domain.runs.run import Run
from bot.services.ports import Store, Transaction
from bot.services.runs.output_pieces import is_over

BEGIN, END = b"\x02", b"\x03"

PIECE = 2**18
"""How many characters of an output are read at once."""

_REMEMBERED = 256
_CHECKED = 64
# So many lines at the end of an output are searched for the run's error.
_ERROR_WITHIN = 200

_Key = tuple[str, str]


@dataclass(frozen=True)
class _Mark:
    """A place in an output: characters and bytes before it, and a checksum of the last characters."""

    characters: int = 0
    size: int = 0
    check: int = 0


class StageLogs:
    """Reads logs by bytes. One for each process.

    An output is stored by characters, and clients ask by bytes. So it is remembered which byte each piece of
    an output begins with: who reads on costs a piece, however long the output is. If the stage has begun
    again since (its worker was lost), the checksum is another one, and its pieces are counted again.
    """

    def __init__(self, store: Store, piece: int = PIECE) -> None:
        self._store = store
        self._piece = piece
        self._marks: dict[_Key, tuple[_Mark, ...]] = {}

    def read(self, run_id: str, stage: str, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes of a stage's log from `offset` on. Raises NotFound.

        The log is complete only if its run says so: a stage that failed ends with its error.
        """
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
            over = is_over(run, stage)
            head = BEGIN + _preamble(run, stage)
            begin = max(0, offset - len(head))
            end = max(begin, offset + limit - len(head))
            body, length = self._bytes(tx, (run_id, stage), begin, end)
            last = b""
            if length is not None and over:
                last = _last_words(tx, run, stage).encode("utf-8", "replace") + END
        if length == 0 and not over:
            # The version that stands in the preamble is known once the plan was made.
            head = BEGIN
        found = head[offset : offset + limit] + body
        if length is not None:
            at = offset - len(head) - length
            found += last[max(0, at) : max(0, at + limit)]
        return found

    def _bytes(self, tx: Transaction, key: _Key, begin: int, end: int) -> tuple[bytes, int | None]:
        """Return the bytes of an output between two offsets; its length if it ends before the second."""
        mark, found = self._before(key, begin), b""
        while True:
            back = min(mark.characters, _CHECKED)
            text = tx.artifacts.output(*key, mark.characters - back, back + self._piece)
            if len(text) < back or _checksum(text[:back]) != mark.check:
                self._forget(key)
                mark, found = _Mark(), b""
                continue
            new = text[back:]
            raw = new.encode("utf-8", "replace")
            found += raw[max(0, begin - mark.size) : max(0, end - mark.size)]
            after = mark.size + len(raw)
            if len(new) < self._piece:
                return found, after
            mark = _Mark(mark.characters + len(new), after, _checksum(text[-_CHECKED:]))
            self._remember(key, mark)
            if mark.size >= end:
                return found, None

    def _before(self, key: _Key, size: int) -> _Mark:
        marks = self._marks.get(key, ())
        return next((mark for mark in reversed(marks) if mark.size <= size), _Mark())

    def _remember(self, key: _Key, mark: _Mark) -> None:
        # Threads share this without a lock: a mark that gets lost is only counted again.
        marks = self._marks.get(key, ())
        if not marks and len(self._marks) >= _REMEMBERED:
            self._marks = {}
        if not marks or marks[-1].characters < mark.characters:
            self._marks[key] = (*marks, mark)

    def _forget(self, key: _Key) -> None:
        self._marks.pop(key, None)


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "replace"))


def _preamble(run: Run, stage: str) -> bytes:
    if stage != "apply":
        return b""
    return f"Terraform v{run.engine_version or '?'}\nInitializing plugins and modules...\n\n".encode()


def _last_words(tx: Transaction, run: Run, stage: str) -> str:
    """Say how a stage ended if the end of its output does not: a client prints nothing else."""
    status = run.plan_status if stage == "plan" else run.apply_status
    error = run.error.strip()
    if status is StageStatus.ERRORED and error:
        printed = tx.artifacts.output_end(run.id, stage, _ERROR_WITHIN + error.count("\n")).text
        return "" if error in printed else f"\nError: {error}\n"
    if status is StageStatus.CANCELED:
        return "\nThe run was canceled.\n"
    return ""
