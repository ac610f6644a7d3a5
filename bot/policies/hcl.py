"""Reads `policies.hcl`, as far as its public format goes: `policy "name" { key = "text" }` blocks.

Format: https://developer.hashicorp.com/terraform/enterprise/policy-enforcement/manage-policy-sets/opa-vcs
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.domain.errors import Invalid

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+ | \#[^\n]* | //[^\n]* | /\*.*?\*/)
      | (?P<line>\n)
      | <<-?(?P<mark>\w+)[ \t]*\r?\n(?P<heredoc>.*?)\n[ \t]*(?P=mark)(?=\r?\n|\Z)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<word>[A-Za-z_][\w-]*)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<mark_>[{}=])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Block:
    """One block: its kind, its label, the line it begins at, and its attributes."""

    kind: str
    label: str
    line: int
    attributes: dict[str, str | bool]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def read_blocks(source: str) -> tuple[Block, ...]:
    """Return the file's blocks in order. Raises Invalid: which line, and what was expected there."""
    tokens = [*_tokens(source)]
    blocks, at = [], 0
    while at < len(tokens):
        block, at = _block(tokens, at)
        blocks.append(block)
    return tuple(blocks)


def _tokens(source: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(source):
        found = _TOKEN.match(source, at)
        if not found:
            word = source[at : at + 20].split(maxsplit=1)[0]
            raise Invalid(f"line {line}: {word!r} is not understood here")
        kind = found.lastgroup or ""
        if found["heredoc"] is not None:
            yield _Token("value", found["heredoc"], line)
        elif kind == "text":
            yield _Token("value", _unquoted(found["text"][1:-1], line), line)
        elif kind in ("word", "number", "mark_"):
            yield _Token(kind.rstrip("_"), found[0], line)
        line += found[0].count("\n")
        at = found.end()


def _unquoted(text: str, line: int) -> str:
    if "${" in text or "%{" in text:
        raise Invalid(f"line {line}: a text with ${{...}} is not understood: write it out")
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text)


def _block(tokens: list[_Token], at: int) -> tuple[Block, int]:
    kind, label, opening = [*tokens[at : at + 3], *[_Token("end", "", tokens[-1].line)] * 3][:3]
    if kind.kind != "word" or label.kind != "value" or opening.text != "{":
        raise Invalid(f'line {kind.line}: expected a block such as `policy "name" {{`')
    attributes: dict[str, str | bool] = {}
    at += 3
    while at < len(tokens) and tokens[at].text != "}":
        name, equals, value = [*tokens[at : at + 3], *[_Token("end", "", tokens[-1].line)] * 3][:3]
        if name.kind != "word" or equals.text != "=" or value.kind not in ("value", "word", "number"):
            raise Invalid(f'line {name.line}: expected `name = "text"` in the block {label.text!r}')
        if name.text in attributes:
            raise Invalid(f"line {name.line}: {name.text} stands twice in the block {label.text!r}")
        attributes[name.text] = value.text == "true" if value.text in ("true", "false") else value.text
        at += 3
    if at >= len(tokens):
        raise Invalid(f"line {kind.line}: the block {label.text!r} is not closed")
    return Block(kind.text, label.text, kind.line, attributes), at + 1
