"""Reads Terraform's two languages: the signs of HCL, and the blocks of its JSON syntax. Both in linear time.

Source: HCL's own scanner, and its rules for blocks in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

BROKEN = "\0broken"
"""A sign of its own for a text or a comment that does not end. Terraform refuses such a file."""

_SIGN = re.compile(
    r"(?P<skip>[^\S\n]+|(?:\#|//)[^\n]*|/\*.*?\*/)"
    r"|(?P<open>/\*.*)"
    r"|(?P<word>[^\W\d][\w-]*)"
    r"|<<-?(?P<heredoc>[^\W\d][^\s<]*)\r?\n"
    r'|(?P<quote>")'
    r"|.",
    re.DOTALL,
)
# Where a quoted text and a line of a heredoc end, or a template begins in them.
_IN_QUOTES = re.compile(r'["\n]|\\.|\$\$\{|%%\{|[$%]\{', re.DOTALL)
_IN_HEREDOC = re.compile(r"\n|\$\$\{|%%\{|[$%]\{")
_TEMPLATES = ("${", "%{")
# No line is this mark, so that a text in JSON syntax has no end.
_NO_MARK = "\0"
# What Go takes for white space around the mark that ends a heredoc.
_SPACES = (
    "\t\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def tokens(text: str) -> Iterator[str]:
    """Yield the words, texts, braces, line ends and other signs of HCL, without its comments.

    A text is a quoted string or a heredoc, as it is written, with all that is nested in it.
    """
    at = 1 if text.startswith("\ufeff") else 0
    while found := _SIGN.match(text, at):
        start, at = at, found.end()
        kind = found.lastgroup
        if kind in ("quote", "heredoc"):
            end = _text_end(text, at, found["heredoc"])
            at = abs(end)
            yield text[start:at]
            if end < 0:
                yield BROKEN
        elif kind == "open":
            yield BROKEN
        elif kind != "skip":
            yield found[0]


def _text_end(text: str, at: int, mark: str | None) -> int:
    """Return where a text ends whose content begins here; negative if it is cut off there.

    `mark` is the mark of a heredoc. Texts and templates are nested as deeply as they like.
    """
    # What is open: a heredoc by its mark, a quoted text as None, a template by the count of its braces.
    stack: list[str | int | None] = [mark]
    fresh = True  # at the start of a line of a heredoc
    while stack:
        top = stack[-1]
        if isinstance(top, str) and fresh:
            line = text.find("\n", at)
            end = len(text) if line < 0 else line
            if text[at:end].strip(_SPACES) == top:
                stack.pop()
                at, fresh = end, False
                continue
        if isinstance(top, int):
            found = _SIGN.match(text, at)
        else:
            found = (_IN_QUOTES if top is None else _IN_HEREDOC).search(text, at)
        if found is None or found.lastgroup == "open":
            return -len(text)
        at, sign = found.end(), found[0]
        fresh = sign == "\n"
        if isinstance(top, int):
            if found.lastgroup in ("quote", "heredoc"):
                stack.append(found["heredoc"])
                fresh = True
            elif sign in ("{", "}"):
                stack[-1] = top + (1 if sign == "{" else -1)
                if not stack[-1]:
                    stack.pop()
        elif sign in _TEMPLATES:
            stack.append(1)
        elif top is None and sign == '"':
            stack.pop()
        elif top is None and sign == "\n":
            return -(at - 1)
    return at


def code(text: str, *, template: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the words and signs of HCL's expressions and blocks, each with where it begins.

    Those within the templates of texts too, but no text itself and no comment. With `template`, the text
    is the inside of a text, as in JSON syntax. Ends at what is broken.
    """
    # What is open, as in `_text_end`. The file itself is a template that no brace closes.
    stack: list[str | int | None] = [_NO_MARK if template else 0]
    at = 1 if text.startswith("\ufeff") else 0
    fresh = False
    while at < len(text):
        top = stack[-1]
        if isinstance(top, str) and fresh:
            line = text.find("\n", at)
            end = len(text) if line < 0 else line
            if text[at:end].strip(_SPACES) == top:
                stack.pop()
                at, fresh = end, False
                continue
        if isinstance(top, int):
            found = _SIGN.match(text, at)
        else:
            found = (_IN_QUOTES if top is None else _IN_HEREDOC).search(text, at)
        if found is None or found.lastgroup == "open":
            return
        at, sign = found.end(), found[0]
        fresh = sign == "\n"
        if not isinstance(top, int):
            if sign in _TEMPLATES:
                stack.append(1)
            elif top is None and sign in ('"', "\n"):
                if sign == "\n":
                    return
                stack.pop()
        elif found.lastgroup in ("quote", "heredoc"):
            stack.append(found["heredoc"])
            fresh = True
        else:
            if sign in ("{", "}") and top:
                stack[-1] = top + (1 if sign == "{" else -1)
                if not stack[-1]:
                    stack.pop()
            if found.lastgroup != "skip":
                yield found.start(), sign


Object = tuple[tuple[str, Any], ...]
"""An object of JSON, with keys that are there twice: each is a block."""


def parsed(text: str) -> Any:
    """Parse a file in JSON syntax, its objects as `Object`, numbers as they are written.

    Raises ValueError, also where it is nested too deeply.
    """
    try:
        return json.loads(
            text.removeprefix("\ufeff"),
            object_pairs_hook=tuple,
            parse_int=str,
            parse_float=str,
            parse_constant=str,
            strict=False,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def blocks(document: Any, name: str) -> Iterator[Object]:
    """Yield the bodies of a block in JSON syntax: an object, or lists of them; so may be what it is in."""
    for body in objects(document):
        for key, value in body:
            if key == name:
                yield from objects(value)


def objects(value: Any) -> Iterator[Object]:
    """Yield an object, or all of those that lists hold."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, tuple):
            yield item
