"""What Terraform says of a run's errors and warnings, taken from its output: each one whole.

The text comes from the change's author, and from processes that the change started. It is shown, and decides
nothing. A plan's own text never comes from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_START = re.compile(r"(?:│ )?(Error|Warning): ")
_OPENS, _CLOSES = "╷", "╵"
# What follows the diagnostics of a command: the rule under a plan, the next command, the end of an apply.
_ENDS = re.compile(r"─{20,}$|\$ (?:terraform|tofu) |(?:Apply|Destroy) complete!")
_APPLIES = re.compile(r"^\$ (terraform|tofu) apply$", re.MULTILINE)
# Of Terraform since 1.8: an error that only says that others follow.
_PREFACE = re.compile(r"Error: (?:Terraform|OpenTofu) encountered problems during initiali[sz]ation")


class Severity(StrEnum):
    """How bad it is, in Terraform's words."""

    ERROR = "Error"
    WARNING = "Warning"


@dataclass(frozen=True)
class Diagnostic:
    """An error or a warning. `text` has its title, position, source snippet and explanation, unframed."""

    severity: Severity
    text: str


def diagnostics(output: str) -> tuple[Diagnostic, ...]:
    """Return every error and warning in an output, in order; those that are told twice once."""
    found = tuple(dict.fromkeys(_blocks(output, strict=True)))
    if not any(each.severity is Severity.ERROR for each in found):
        # What was said before may not have ended its line.
        found = tuple(dict.fromkeys(_blocks(output, strict=False)))
    told = [each for each in found if not _PREFACE.match(each.text)]
    hides = any(each.severity is Severity.ERROR for each in told)
    return tuple(told) if hides else found


def errors_text(output: str) -> str:
    """Return Terraform's errors from its output, each one whole; empty if it has none."""
    return _text(output, Severity.ERROR)


def warnings_text(output: str) -> str:
    """Return Terraform's warnings from its output, each one whole; empty if it has none."""
    return _text(output, Severity.WARNING)


def apply_text(output: str) -> str:
    """Return what `apply` itself said, without the `init` before it; all of it where no apply began."""
    begun = _APPLIES.search(output)
    return output[begun.end() :].lstrip("\n") if begun else output


def tail(output: str, lines: int = 60) -> str:
    """Return the last lines of an output."""
    return "\n".join(output.strip("\n").split("\n")[-lines:])


def _text(output: str, severity: Severity) -> str:
    return "\n\n".join(each.text for each in diagnostics(output) if each.severity is severity)


def _blocks(output: str, *, strict: bool) -> Iterator[Diagnostic]:
    """Give what begins like a diagnostic; if strict, only after an empty line or the corner of a frame."""
    severity: Severity | None = None
    block: list[str] = []
    before = ""
    for line in output.split("\n"):
        start = _START.match(line)
        begins = start is not None and (not strict or before.strip() in ("", _OPENS))
        if severity is not None and (begins or line == _CLOSES or _ENDS.match(line)):
            yield _diagnostic(severity, block)
            severity = None
        if begins and start is not None:
            severity, block = Severity(start[1]), []
        if severity is not None and line != _OPENS:
            block.append(line.removeprefix("│").removeprefix(" ") if line[:1] == "│" else line)
        before = line
    if severity is not None:
        yield _diagnostic(severity, block)


def _diagnostic(severity: Severity, block: list[str]) -> Diagnostic:
    return Diagnostic(severity, "\n".join(block).strip("\n"))
