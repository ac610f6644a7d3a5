"""Makes Terraform's output fit for a page: nothing in it can hide, reorder or forge text (promise 5)."""

from __future__ import annotations

import re
import unicodedata

from bot.web.pages import OutputLine

MOST_LINES = 2000
"""How many lines of a stage a page shows, the last ones; the raw output has them all."""

MOST_CHARACTERS = 400_000

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_SIGNS = (
    (re.compile(r"\s*(?:-/\+|\+/-) "), "destroy"),
    (re.compile(r"\s*\+ "), "add"),
    (re.compile(r"\s*- "), "destroy"),
    (re.compile(r"\s*~ "), "change"),
    (re.compile(r"\s*# .+ (?:will|must) be "), "head"),
    (re.compile(r"(?:Plan:|Apply complete!|No changes\.|Changes to Outputs:)"), "head"),
    (re.compile(r"[╷│╵|]?\s*Error: |Error: "), "error"),
    (re.compile(r"[╷│╵|]?\s*Warning: "), "warning"),
)


def whole_lines(text: str) -> str:
    """Return the lines that have come to their end; one that is being written comes with the next piece."""
    return text[: text.rfind("\n") + 1]


def lines_of(text: str) -> tuple[tuple[OutputLine, ...], bool]:
    """Return the last lines of an output, made harmless, and whether earlier ones were left out."""
    tail = text[-MOST_CHARACTERS:].removesuffix("\n")
    lines = tail.split("\n") if text else []
    shortened = len(text) > MOST_CHARACTERS or len(lines) > MOST_LINES
    return tuple(_line(line.rstrip("\r")) for line in lines[-MOST_LINES:]), shortened


def harmless(text: str) -> str:
    """Return text in one line without colour codes, and with what would hide or reorder it made visible."""
    if text.isprintable():
        return text
    return "".join(_visible(letter) for letter in _ESCAPES.sub("", text))


def _visible(letter: str) -> str:
    # What is neither printable nor a plain space moves, hides or reorders text: a plan could show one
    # thing and do another.
    fine = letter == "\t" or letter.isprintable() or unicodedata.category(letter) == "Zs"
    return letter if fine else f"\\u{ord(letter):04x}"


def _line(raw: str) -> OutputLine:
    text = harmless(raw)
    kind = next((kind for sign, kind in _SIGNS if sign.match(text)), "")
    return OutputLine(kind, text)
