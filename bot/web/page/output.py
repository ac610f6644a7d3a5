"""Sanitises plans and Terraform's output for pages: nothing can hide, reorder or forge text (promise 5).

Only a plan that we rendered has the colours of changes: in an output, a `-` begins a list or a message too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from bot.web.page.terminal import ESCAPES, coloured

MOST_LINES = 2000
"""How many lines of a stage a page shows at first, the last ones; earlier ones are a click away."""

_LONGEST_LINE = 20_000
_CHANGES = (
    (re.compile(r"\s*(?:-/\+|\+/-) "), "destroy"),
    (re.compile(r"\s*\+ "), "add"),
    (re.compile(r"\s*- "), "destroy"),
    (re.compile(r"\s*~ "), "change"),
    (re.compile(r"\s*# .+ (?:(?:will|must) be|has moved) "), "head"),
    (re.compile(r"(?:Plan:|No changes\.|Changes to Outputs:|Note: )"), "head"),
)
_SIGNS = (
    (re.compile(r"\$ (?:terraform|tofu) "), "command"),
    (re.compile(r"(?:Plan:|Apply complete!|Destroy complete!|No changes\.)"), "head"),
    (re.compile(r"[╷│╵|]?\s*Error: |Error: "), "error"),
    (re.compile(r"[╷│╵|]?\s*Warning: "), "warning"),
)
# Parts of a line that Terraform itself colours.
_WITHIN = re.compile(r"(# forces replacement)|(\(known after apply\)|\(sensitive value\))|( -> )")
_CLASSES = ("destroy b", "soft", "change")


def whole_lines(text: str) -> str:
    """Return the lines that have come to their end; one that is being written comes with the next piece."""
    return text[: text.rfind("\n") + 1]


def lines_of(text: str) -> list[str]:
    """Return an output's lines as they are."""
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def html_of(lines: Sequence[str], stage: str, first: int, *, plan: bool = False) -> Markup:
    """Return lines of a stage's output for its page, each with its number and a link; `first` is the number
    of the first of them. `plan`: they are those of a plan that we rendered.
    """
    # Plain strings, each escaped: there may be thousands of lines.
    found = (_line(line, f"{stage}-L{first + n}", first + n, plan) for n, line in enumerate(lines))
    return Markup("".join(found))  # noqa: S704 -- `_line` escapes


def harmless(text: str) -> str:
    """Return text in one line, without colour codes; invisible and reordering characters are shown."""
    if text.isprintable():
        return text
    return "".join(map(_visible, ESCAPES.sub("", text)))


def kind_of(line: str, *, plan: bool = False) -> str:
    """Say what a line is by its sign: `add` in a plan, `error` in an output, ...; empty if none."""
    return next((kind for sign, kind in (_CHANGES if plan else _SIGNS) if sign.match(line)), "")


def _visible(letter: str) -> str:
    # Unprintable characters can move, hide or reorder text: a plan could show one
    # thing and do another.
    fine = letter == "\t" or letter.isprintable() or unicodedata.category(letter) == "Zs"
    return letter if fine else f"\\u{ord(letter):04x}"


def _line(raw: str, anchor: str, number: int, plan: bool) -> str:
    if len(raw) > _LONGEST_LINE:
        raw = f"{raw[:_LONGEST_LINE]}… ({len(raw) - _LONGEST_LINE} more characters)"
    pieces = list(coloured(raw)) if "\x1b" in raw else [("", raw)]
    if any(style for style, _ in pieces):
        kind, inner = "", "".join(_span(style, harmless(text)) for style, text in pieces)
    else:
        text = harmless("".join(text for _, text in pieces))
        kind, inner = kind_of(text, plan=plan), "".join(_parts(text) if plan else (escape(text),))
    look = f' class="{kind}"' if kind else ""
    return f'<span id="{anchor}"{look}><a href="#{anchor}" tabindex="-1">{number}</a>{inner}\n</span>'


def _parts(text: str) -> Iterator[str]:
    at = 0
    for found in _WITHIN.finditer(text):
        yield escape(text[at : found.start()])
        yield _span(_CLASSES[(found.lastindex or 1) - 1], found[0])
        at = found.end()
    yield escape(text[at:])


def _span(style: str, text: str) -> str:
    return f'<span class="{style}">{escape(text)}</span>' if style else escape(text)
