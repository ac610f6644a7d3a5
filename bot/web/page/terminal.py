"""Turns a terminal's colour codes into CSS classes; every other escape code is dropped.

Terraform itself runs without colours, because its output is masked and put into comments as plain text.
Programs that it starts (provisioners) may still print them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Any escape sequence: CSI, OSC (a link or a title), and the short ones.
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_COLOURS = re.compile(r"\x1b\[([0-9;]*)m")
_STYLES = {1: "b", 2: "dim", 3: "i", 4: "u"}


def coloured(line: str) -> Iterator[tuple[str, str]]:
    """Yield a line in pieces without escape codes, each with its classes (`fg1 b`)."""
    style: set[str] = set()
    at = 0
    for found in _COLOURS.finditer(line):
        if text := ESCAPES.sub("", line[at : found.start()]):
            yield " ".join(sorted(style)), text
        style = _changed(style, found[1])
        at = found.end()
    if text := ESCAPES.sub("", line[at:]):
        yield " ".join(sorted(style)), text


def _changed(style: set[str], codes: str) -> set[str]:
    numbers = [int(code[:4]) for code in codes.split(";") if code] or [0]
    style = set(style)
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            style = set()
        elif number in _STYLES:
            style.add(_STYLES[number])
        elif number == 22:
            style -= {"b", "dim"}
        elif number in (38, 48):
            colour = _extended(numbers)
            if number == 38 and colour is not None:
                style = _without_colour(style) | {f"fg{colour}"}
        elif 30 <= number <= 37 or 90 <= number <= 97:
            style = _without_colour(style) | {f"fg{number - 30 if number < 90 else number - 82}"}
        elif number == 39:
            style = _without_colour(style)
    return style


def _extended(numbers: list[int]) -> int | None:
    """Take the rest of `38;5;N` or `38;2;R;G;B`; return N if it is one of the sixteen colours."""
    kind = numbers.pop(0) if numbers else 0
    taken = [numbers.pop(0) for _ in range({5: 1, 2: 3}.get(kind, 0)) if numbers]
    return taken[0] if kind == 5 and taken and taken[0] < 16 else None


def _without_colour(style: set[str]) -> set[str]:
    return {each for each in style if not each.startswith("fg")}
