"""Follows the file that a command writes its output to, also if it writes faster than anybody can read."""

from __future__ import annotations

import os
import time

from bot.terraform.processes.transcript import Transcript

_LONGEST_SECONDS = 1.0
_PIECE = 1 << 16
# Older output than this is skipped: otherwise a loop in a change's code would be followed for ever.
_FURTHEST = 32 << 20


class Tail:
    """Follows the output file."""

    def __init__(self, descriptor: int, said: Transcript) -> None:
        self._descriptor = descriptor
        self._said = said
        self._offset = 0
        # Up to here, nothing is shown.
        self._skipped = 0

    @property
    def size(self) -> int:
        """How many bytes there are by now."""
        return os.fstat(self._descriptor).st_size

    def drain(self, end: int) -> bool:
        """Pass on what there is up to `end`, for a second at most; return whether that was all.

        A process that writes faster than its output can be masked must not keep us from looking round: its
        time would never be up, and nobody could cancel it (promise 5).
        """
        pause = time.monotonic() + _LONGEST_SECONDS
        if end - self._offset > _FURTHEST:
            if self._offset >= self._skipped:
                # From line to line, for every line of a secret is hidden by itself.
                self._pass(self._line_after(self._offset + _PIECE))
                self._said.feed(b"[output is left out here: it came faster than it can be read]\n")
            self._skipped = max(self._skipped, self._line_after(end - _FURTHEST // 2))
        while self._offset < self._skipped:
            if time.monotonic() >= pause:
                return False
            self._skip(self._skipped)
        while self._offset < end:
            if time.monotonic() >= pause:
                return False
            self._pass(min(self._offset + _PIECE, end))
        return True

    def _skip(self, end: int) -> None:
        """Take the next piece up to `end`, without showing it."""
        piece = os.pread(self._descriptor, min(_PIECE, end - self._offset), self._offset)
        self._said.skip(piece)
        # Where it was cut off by a change's code, nothing more comes from there.
        self._offset += len(piece) or end - self._offset

    def _pass(self, end: int) -> None:
        piece = os.pread(self._descriptor, end - self._offset, self._offset)
        # Where it was cut off by a change's code, nothing more comes from there.
        self._offset = end
        self._said.feed(piece)

    def _line_after(self, place: int) -> int:
        piece = os.pread(self._descriptor, _PIECE, place)
        return place + piece.find(b"\n") + 1
