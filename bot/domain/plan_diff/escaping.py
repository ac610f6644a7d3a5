"""Creates text from a plan safe to print: it stays on its line, and every invisible character is visible.

Escapes are written as in HCL: `\\t`, `\\u2028`, `\\U000e0041`. Two different texts are never written alike.
"""

from __future__ import annotations

import re
import unicodedata

_PLAIN = re.compile(r"[ -~]*")
_UNUSUAL = re.compile(r"[^ -~]| \Z")
_IN_QUOTES = re.compile(r"[^ !#-\[\]-~]")
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# A space is escaped only at the end of a text, if nobody would see it.
_SHORT = {"\t": "\\t", "\r": "\\r", "\n": "\\n", " ": "\\u0020"}

# Controls, format and bidirectional characters, surrogates, private use, unassigned; line and paragraph
# separators; spaces that are not U+0020.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# What Unicode calls "default ignorable" without being a format character; a blank of Braille; and the broken
# bar, because comments write it in place of `|` in tables.
_HIDDEN = frozenset(
    {0xA6, 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0}
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0100, 0xE01F0))
)

_IDENTIFIER = r"[^\W\d](?:\w|-)*"
_KEY = r'\[(?:-?\d+|"(?:[^"\\]|\\.)*")\]'
_STEP = rf"{_IDENTIFIER}(?:{_KEY})?"
_ADDRESS = re.compile(rf"{_STEP}(?:\.{_STEP})*", re.DOTALL)


class _Escapes(dict[str, str]):
    """How each character is written outside of quotes; filled as characters are met."""

    def __missing__(self, character: str) -> str:
        code = ord(character)
        if character in _SHORT:
            shown = _SHORT[character]
        elif unicodedata.category(character) in _HIDDEN_CATEGORIES or code in _HIDDEN:
            shown = _escape(code)
        else:
            shown = character
        self[character] = shown
        return shown


class _Quoted(_Escapes):
    """How each character is written inside of quotes."""

    def __missing__(self, character: str) -> str:
        if character in '"\\':
            return "\\" + character
        return super().__missing__(character)


_ESCAPES, _QUOTED = _Escapes(), _Quoted()
# A backslash that would be read as one of our escapes, or that stands before one.
_AMBIGUOUS = re.compile(r"\\+(?=[trn]|u[0-9a-f]{4}|U[0-9a-f]{8}|[^ -~]| \Z)")


def visible(text: str) -> str:
    """Return text as one line without quotes. A backslash is doubled only where it could be misread."""
    if _PLAIN.fullmatch(text) and "\\" not in text and text[-1:] != " ":
        return text
    text = _AMBIGUOUS.sub(lambda found: found[0] * 2 if _reads_as_escape(found) else found[0], text)
    return _UNUSUAL.sub(lambda found: _ESCAPES[found[0]], text)


def quoted(text: str, ascii_only: bool = False) -> str:
    """Return text as a string literal in one line; `ascii_only` tells look-alikes of letters apart."""
    if ascii_only:
        return f'"{_IN_QUOTES.sub(lambda found: _as_ascii(found[0]), text)}"'
    return f'"{_IN_QUOTES.sub(lambda found: _QUOTED[found[0]], text)}"'


def _as_ascii(character: str) -> str:
    shown = _QUOTED[character]
    return shown if shown.isascii() else _escape(ord(character))


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def name(text: str) -> str:
    """Return an attribute's name: bare if it is an identifier, otherwise in quotes."""
    return text if _BARE.fullmatch(text) else quoted(text)


def address(text: str) -> str:
    """Return an address as it is if it has the form of one, otherwise in quotes.

    Keys in an address are string literals already, so their backslashes are left alone.
    """
    if not _ADDRESS.fullmatch(text):
        return quoted(text)
    return _UNUSUAL.sub(lambda found: _ESCAPES[found[0]], text)


def _reads_as_escape(found: re.Match[str]) -> bool:
    following = found.string[found.end()]
    return (following.isascii() and following.isprintable()) or _ESCAPES[following] != following
