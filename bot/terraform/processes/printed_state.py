"""Takes a state out of Terraform's output: the output is readable for many, a state is not (promise 6).

If Terraform can store its state nowhere, not even on the disk, it prints it. That is often the only copy.
"""

from __future__ import annotations

# As Terraform and OpenTofu write states, with this version of their format.
_START = '{\n  "version": 4,\n  "terraform_version": '
# The outermost bracket alone stands at the beginning of a line.
_END = "\n}\n"
_LARGEST = 256 << 20

NOTE = "[Terraform could not write its state anywhere, so it printed it. It is not shown here.]\n"


class PrintedState:
    """Takes printed states out of a text that comes in pieces. `found` is the last one that was whole."""

    def __init__(self) -> None:
        self.found = ""
        self._held = ""
        self._inside: list[str] | None = None
        self._size = 0
        self._line_start = True

    def feed(self, text: str) -> str:
        """Take the next piece; return what may be shown by now."""
        self._held += text
        shown: list[str] = []
        while self._held:
            done = self._look(shown) if self._inside is None else self._swallow(self._inside)
            if done:
                break
        return "".join(shown)

    def end(self) -> str:
        """Return what was held back. A state that breaks off is not shown either."""
        rest = self._held if self._inside is None else ""
        if self._inside is not None and f"{self._held}\n".endswith(_END):
            self._swallowed(self._inside, len(self._held))
        self._held, self._inside, self._line_start = "", None, True
        return rest

    def _look(self, shown: list[str]) -> bool:
        """Pass on what comes before a state; return whether more text is needed."""
        start = self._start()
        if start >= 0:
            shown.append(self._held[:start] + NOTE)
            self._held, self._inside, self._size = self._held[start:], [], 0
            return False
        # The end of this piece may be the beginning of a state.
        keep = next((n for n in range(len(_START) - 1, 0, -1) if self._may_begin(n)), 0)
        passed = self._held[: len(self._held) - keep]
        self._held = self._held[len(passed) :]
        if passed:
            self._line_start = passed.endswith("\n")
            shown.append(passed)
        return True

    def _start(self) -> int:
        if self._line_start and self._held.startswith(_START):
            return 0
        found = self._held.find("\n" + _START)
        return found + 1 if found >= 0 else -1

    def _may_begin(self, length: int) -> bool:
        if not self._held.endswith(_START[:length]):
            return False
        before = self._held[: len(self._held) - length]
        return before.endswith("\n") if before else self._line_start

    def _swallow(self, inside: list[str]) -> bool:
        """Take what belongs to the state; return whether more text is needed."""
        end = self._held.find(_END)
        taken = end + len(_END) if end >= 0 else max(len(self._held) - len(_END) + 1, 0)
        self._size += taken
        if self._size <= _LARGEST:
            inside.append(self._held[:taken])
        self._held = self._held[taken:]
        if end < 0:
            return True
        self._swallowed(inside, 0)
        self._inside, self._line_start = None, True
        return False

    def _swallowed(self, inside: list[str], more: int) -> None:
        if self._size + more <= _LARGEST:
            self.found = "".join([*inside, self._held[:more]]).rstrip("\n")
