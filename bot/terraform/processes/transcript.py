"""What a run's processes said: masked and handed to the watcher as it comes, and read for its last words."""

from __future__ import annotations

import codecs
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.plans.diagnostics import Severity, diagnostics
from bot.domain.runs.masking import Masker
from bot.terraform.processes.printed_state import PrintedState

# More than this is not passed on: a loop in a change's code must not fill the database.
LARGEST_OUTPUT = 8_000_000
_KEPT = 200_000
_LONGEST_WORDS = 600
_ERROR = re.compile(r"^[│╷ ]*Error: (?P<title>.+)$", re.MULTILINE)
_REFUSAL = "Error: "
_PLACE = re.compile(r"^ *on (?P<place>.+? line \d+)", re.MULTILINE)
_SUMMARY = re.compile(r"^(?:Apply|Destroy) complete!.*$", re.MULTILINE)


# What fails if only the state could not be stored, or not be unlocked.
_UNSAVED = (
    "Failed to save state",
    "Failed to persist state to backend",
    "Failed to create local state file",
    "Failed to serialize state",
    "Error releasing the state lock",
)


@dataclass(frozen=True)
class Success:
    """What an apply said of its success. `only_unsaved`: nothing failed but to store the state."""

    summary: str
    only_unsaved: bool


def success_of(output: str) -> Success:
    """Return what an apply's whole output says of its success."""
    errors = [each.text for each in diagnostics(output) if each.severity is Severity.ERROR]
    titles = [error.removeprefix("Error: ") for error in errors]
    found = _SUMMARY.findall(output)
    summary = str(found[-1]).strip() if found else ""
    return Success(summary, bool(titles) and all(title.startswith(_UNSAVED) for title in titles))


class Transcript:
    """The output of one stage. `show` gets masked text, and may raise what stops the process."""

    def __init__(self, masker: Masker, show: Callable[[str], None]) -> None:
        self._masker = masker
        self._show = show
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._printed = PrintedState()
        self._shown = 0
        self._kept = ""
        self._held: str | None = None

    @property
    def printed_state(self) -> bytes:
        """The state that Terraform printed, because it could write it nowhere; empty if it did not."""
        return self._printed.found.encode()

    def heading(self, text: str) -> None:
        """Begin the next command's output."""
        self.end()
        self._kept = ""
        gap = "\n" if self._shown else ""
        self._take(self._masker.feed(f"{gap}{text}\n") + self._masker.flush())
        self._kept = ""

    def note(self, text: str) -> None:
        """Add our own line to a command's output; it is not read as the command's."""
        kept = self._kept
        self.end()
        self._take(self._masker.feed(f"\n{text}\n") + self._masker.flush())
        self._kept = kept

    def feed(self, data: bytes) -> None:
        """Take the next piece of output."""
        self._take(self._masker.feed(self._printed.feed(self._decoder.decode(data))))

    def skip(self, data: bytes) -> None:
        """Take a piece of output that is not shown. It may begin or end a state."""
        self._printed.feed(self._decoder.decode(data))

    def end(self) -> None:
        """Show what was held back: the command has ended."""
        rest = self._printed.feed(self._decoder.decode(b"", final=True)) + self._printed.end()
        self._take(self._masker.feed(rest) + self._masker.flush())
        self._decoder.reset()

    def hold(self) -> None:
        """Hold back what the next command says, as long as that is only that it can't begin."""
        self._held = ""

    def drop(self) -> None:
        """Forget what was held back."""
        self._held = None

    def release(self) -> None:
        """Show what was held back, if anything was."""
        held, self._held = self._held, None
        if held:
            self._show(held)

    def error_words(self) -> str:
        """Return the last command's first error in one line fit for a comment; empty if it told none.

        `Error: Reference to undeclared resource — on main.tf line 3`, or the explanation in place of where.
        """
        found = [each.text for each in diagnostics(self._kept) if each.severity is Severity.ERROR]
        if not found:
            return ""
        more = len(found) - 1
        title, _, block = found[0].partition("\n")
        title = title.strip()
        if place := _PLACE.search(block):
            title += f" — on {place['place']}"
        explained = _explanation(block)
        words = f"{title}: {explained}" if explained else title
        if len(words) > _LONGEST_WORDS:
            words = words[: _LONGEST_WORDS - 1].rstrip() + "…"
        return f"{words} (and {more} more error{'s' if more > 1 else ''})" if more else words

    def everything(self) -> str:
        """Return what the last command said."""
        return self._kept

    def last_words(self) -> str:
        """Return the last line that was said, for a command that failed without an error of its own."""
        lines = [line.strip() for line in self._kept.splitlines() if line.strip()]
        return lines[-1][:_LONGEST_WORDS] if lines else ""

    def summary(self) -> str:
        """Return Terraform's own summary of an apply; empty if it told none."""
        return success_of(self._kept).summary

    def _take(self, text: str) -> None:
        if not text:
            return
        # Errors and summaries stand at the end, but the first of many errors matters most: both ends count.
        self._kept += text
        if len(self._kept) > 2 * _KEPT:
            first = _ERROR.search(self._kept)
            start = first.start() if first else len(self._kept) - _KEPT
            head = self._kept[start : start + _KEPT // 2]
            self._kept = head + "\n" + self._kept[max(start + len(head), len(self._kept) - _KEPT) :]
        if self._shown >= LARGEST_OUTPUT:
            return
        self._shown += len(text)
        if self._shown >= LARGEST_OUTPUT:
            text += f"\n[more than {LARGEST_OUTPUT // 1_000_000} MB of output: the rest is not shown]\n"
        if self._held is not None:
            self._held += text
            if not _may_refuse(self._held):
                self.release()
            return
        self._show(text)


def _may_refuse(text: str) -> bool:
    """Whether an output begins with an error, or may become one that does."""
    begun = text.lstrip(" \n╷│")[: len(_REFUSAL)]
    return _REFUSAL.startswith(begun)


def _explanation(block: str) -> str:
    """Return the first paragraph of an error that is neither a place nor quoted code."""
    for paragraph in re.split(r"\n\s*\n", block):
        lines = paragraph.strip("\n").splitlines()
        if lines and not lines[0].startswith(" "):
            return " ".join(" ".join(lines).split())
    return ""


def signal_of(code: int) -> str:
    """Return the name of the signal that ended a process, empty if none did. A sandbox adds 128 to it."""
    try:
        return signal.Signals(-code if code < 0 else code - 128).name
    except ValueError:
        return ""
