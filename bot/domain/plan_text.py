"""The part of Terraform's output that people read: what the plan does, or why it failed."""

from __future__ import annotations

import re

_ACTIONS = re.compile(r"^(Terraform|OpenTofu) will perform the following actions:$")
_OUTPUTS = re.compile(r"^Changes to Outputs:$")
_RULE = re.compile(r"^─{20,}$")
_OPENS, _CLOSES = "╷", "╵"
_APPLIES = re.compile(r"^\$ (terraform|tofu) apply$", re.MULTILINE)
_ERROR = re.compile(r"^(│ )?Error: ")


def plan_text(output: str) -> str:
    """Return the plan itself from the output of `plan`, empty where there is none."""
    lines = output.splitlines()
    start = next((i + 1 for i, line in enumerate(lines) if _ACTIONS.match(line)), None)
    if start is None:
        start = next((i for i, line in enumerate(lines) if _OUTPUTS.match(line)), None)
    if start is None:
        return ""
    end = next((i for i in range(start, len(lines)) if _RULE.match(lines[i])), len(lines))
    # Warnings stand behind the plan, framed: they are shown apart from it.
    first = next((i for i in range(start, end) if lines[i] == _OPENS), end)
    return "\n".join(lines[start:first]).strip("\n")


def apply_text(output: str) -> str:
    """Return what `apply` itself said, without the `init` before it; all of it where no apply began."""
    begun = _APPLIES.search(output)
    return output[begun.end() :].lstrip("\n") if begun else output


def warnings_text(output: str) -> str:
    """Return Terraform's warnings from its output, without their frames; empty where it has none."""
    found: list[str] = []
    framed: list[str] | None = None
    for line in output.splitlines():
        if line == _OPENS:
            framed = []
        elif line == _CLOSES and framed is not None:
            if framed and framed[0].startswith("Warning: "):
                found += [*framed, ""]
            framed = None
        elif framed is not None:
            framed.append(line.removeprefix("│").removeprefix(" "))
    return "\n".join(found).strip("\n")


def error_text(output: str) -> str:
    """Return Terraform's errors from its output, without the frame around them; empty where it has none."""
    lines = output.splitlines()
    start = next((i for i, line in enumerate(lines) if _ERROR.match(line)), None)
    if start is None:
        return ""
    plain = [line.removeprefix("│").removeprefix(" ") for line in lines[start:] if line not in ("╷", "╵")]
    return "\n".join(plain).strip("\n")


def tail(output: str, lines: int = 60) -> str:
    """Return the last lines of an output."""
    return "\n".join(output.strip("\n").splitlines()[-lines:])
