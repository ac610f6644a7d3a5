"""Makes hostile text harmless in Markdown, so that every mark in a comment is ours (promise 5).

Plan text, addresses, error messages, branch names and logins come from the change's author. What leaves
this module is of type Markdown, and a template prints nothing else.
"""

from __future__ import annotations

import html as entities
import re
import unicodedata
from urllib.parse import quote

# Forges search the rendered page for mentions and references, where an escaped `@` is an `@` again;
# only a character in between stops them.
_BREAK = "\N{ZERO WIDTH SPACE}"
_ANSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")
_LINE_ENDS = re.compile(r"\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_REFERENCE = re.compile(r"(?<=[#!%~$&^])(?=\w)|(?<=@)|(?<=GH-)(?=\d)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_MARKER = re.compile(r"<!(?=-)")
_UNUSUAL = re.compile(r"[^\n\x20-\x7e]")
_ACTIVE = re.compile(r"[\\`*_\[\]~#!]")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"})
_URL = re.compile(r"https?://[^/].*", re.IGNORECASE | re.DOTALL)


class Markdown(str):
    """Escaped text that a comment can contain as it is."""

    __slots__ = ()


class _Visible(dict[int, str]):
    """Drops control characters; shows characters that are invisible or reorder text (Trojan Source)."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        match unicodedata.category(character):
            case "Cc":
                shown = character if character == "\n" else "    " if character == "\t" else ""
            case "Cf":
                shown = f"⟨U+{code:04X}⟩"
            case "Cs":
                shown = "\N{REPLACEMENT CHARACTER}"
            case _:
                shown = character
        self[code] = shown
        return shown


_VISIBLE = _Visible()


def clean(text: str) -> str:
    """Return text without colours and control characters, its line ends made `\\n`, hidden marks shown.

    `<!--` is always escaped, so that no text can look like the marker by which a comment is found.
    """
    text = _LINE_ENDS.sub("\n", _ANSI.sub("", text))
    text = _UNUSUAL.sub(lambda found: _VISIBLE[ord(found[0])], text)
    return _MARKER.sub("<! ", text)


def one_line(text: str, most: int = 200) -> str:
    """Return cleaned text as one line of at most `most` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def plain(text: str, most: int = 200) -> Markdown:
    """Return text that reads as it was written, in a sentence or a table cell."""
    line = _ADDRESS.sub(_BREAK, _REFERENCE.sub(_BREAK, one_line(text, most)))
    return Markdown(_ACTIVE.sub(r"\\\g<0>", line).translate(_ENTITIES))


def code(text: str, most: int = 200) -> Markdown:
    """Return text in a code span, in which mentions and marks have no effect."""
    line = one_line(text, most)
    if not line:
        return Markdown("")
    ticks = "`" * (_longest_run(line) + 1)
    pad = " " if line[0] == "`" or line[-1] == "`" else ""
    return Markdown(f"{ticks}{pad}{line}{pad}{ticks}")


def phrase(text: str, most: int = 300) -> Markdown:
    """Return one of our own sentences: text between backticks becomes code, the rest is escaped."""
    parts = one_line(text, most).split("`")
    if len(parts) % 2 == 0:
        return plain(text, most)
    return Markdown(
        "".join(code(part, most) if index % 2 else _spaced(part) for index, part in enumerate(parts))
    )


def cell(text: Markdown) -> Markdown:
    """Return text for a table cell. Renderers disagree on `\\|` in code, so a look-alike takes its place."""
    return Markdown(text.replace("|", "\N{BROKEN BAR}"))


def fence(text: str, info: str = "") -> Markdown:
    """Return text in a fenced block; the fence is longer than any run of backticks in it."""
    body = clean(text).strip("\n")
    ticks = "`" * max(3, _longest_run(body) + 1)
    return Markdown(f"{ticks}{info}\n{body}\n{ticks}")


def html(text: str, most: int = 200) -> Markdown:
    """Return text to stand inside an HTML tag such as `<summary>`."""
    line = _ADDRESS.sub(_BREAK, _REFERENCE.sub(_BREAK, one_line(text, most)))
    return Markdown(entities.escape(line))


def link(label: Markdown, url: str) -> Markdown:
    """Return a link, or the bare label if the address is none of http or too long."""
    address = quote(url, safe="/:?#&=%+~,;-._")
    return Markdown(f"[{label}]({address})") if _URL.fullmatch(url) and len(address) <= 500 else label


def _spaced(text: str) -> Markdown:
    """Return plain text that keeps its space next to a code span."""
    before = " " if text[:1] == " " else ""
    after = " " if text.strip() and text[-1:] == " " else ""
    return Markdown(f"{before}{plain(text, len(text) + 1)}{after}")


def _longest_run(text: str) -> int:
    return max(map(len, re.findall(r"`+", text)), default=0)
