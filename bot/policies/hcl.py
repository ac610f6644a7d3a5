"""Reads `policies.hcl` with python-hcl2: `policy "name" { key = "text" }` blocks, with their lines.

The file may come from a change, so it is hostile (promise 5): its size is bounded before it is parsed.
Format: https://developer.hashicorp.com/terraform/enterprise/policy-enforcement/manage-policy-sets/opa-vcs
"""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.errors import Invalid

if TYPE_CHECKING:
    from lark import Token, Tree

# Characters of a file: hundreds of policies. Parsing takes about 10 microseconds for each.
_LONGEST = 100_000
# The grammar's heredocs take time in proportion to the length of the file times the longest blank part.
_BLANK = re.compile(r"\s{200}")
_HEREDOCS = {"heredoc_template", "heredoc_template_trim"}
_TEMPLATE = re.compile(r"(?<!\$)\$\{|(?<!%)%\{")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_SHORT_ESCAPES = {"n", "r", "t", '"', "\\"}
_WORD_LENGTH = 20


@dataclass(frozen=True)
class Block:
    """One block: its kind, its label, the line it begins at (from 1), and its attributes."""

    kind: str
    label: str
    line: int
    attributes: dict[str, str | bool]


def read_blocks(source: str) -> tuple[Block, ...]:
    """Return the file's blocks in order. Raises Invalid: the line, what is wrong and how to fix it."""
    body = next(iter(_parsed(source).children))
    return tuple(_block(found) for found in _parts(body))


def _parsed(source: str) -> Tree[Token]:
    # Loaded only if there is such a file: the grammar takes a third of a second to build.
    import hcl2  # noqa: PLC0415
    from lark import UnexpectedInput  # noqa: PLC0415

    if len(source) > _LONGEST:
        raise Invalid(f"line 1: the file has more than {_LONGEST:,} characters: split the policy set")
    if blank := _BLANK.search(source):
        line = source.count("\n", 0, blank.start()) + 1
        raise Invalid(f"line {line}: 200 or more blank characters follow each other here: remove them")
    try:
        return hcl2.parses_to_tree(source)
    except RecursionError:
        raise Invalid("line 1: the file is nested too deeply") from None
    except UnexpectedInput as error:
        raise Invalid(_explained(source, error)) from error


def _parts(body: Any) -> list[Any]:
    """Return the attributes and blocks of a body, without its comments."""
    return [part for part in body.children if part.data != "new_line_or_comment"]


def _block(found: Any) -> Block:
    line = found.meta.line
    if found.data != "block":
        raise Invalid(f'line {line}: expected a block such as `policy "name" {{`')
    *names, body = (part for part in found.children if not _is_token(part))
    names = [name for name in names if name.data != "new_line_or_comment"]
    if len(names) != 2:
        raise Invalid(f'line {line}: a block has one name, in quotes: write `policy "name" {{`')
    kind, label = (_text(name, line) for name in names)
    attributes: dict[str, str | bool] = {}
    for part in _parts(body):
        at = part.meta.line
        if part.data != "attribute":
            raise Invalid(f'line {at}: expected `name = "text"` in the block {label!r}, not another block')
        name = _text(part.children[0], at)
        if name in attributes:
            raise Invalid(f"line {at}: {name} is set twice in the block {label!r}: remove one")
        attributes[name] = _value(name, part.children[2], at)
    return Block(kind, label, line, attributes)


def _value(name: str, found: Any, line: int) -> str | bool:
    """Return what an attribute is set to: a text, a number as it is written, or true or false."""
    if found.data == "expr_term" and len(found.children) == 1:
        (inside,) = found.children
        if inside.data == "literal_value" and str(inside.children[0]) != "null":
            return str(inside.children[0]) == "true"
        if inside.data in {"string", "int_lit", "float_lit", *_HEREDOCS}:
            return _text(inside, line)
    raise Invalid(f'line {line}: {name} must be a text in quotes: write `{name} = "text"`')


def _text(found: Any, line: int) -> str:
    """Return a name, a number or a text, with its escapes resolved. Raises Invalid if it has `${...}`."""
    if found.data in _HEREDOCS:
        return _heredoc(str(found.children[0]), line)
    if found.data != "string":
        return str(found.children[0])
    pieces = []
    for part in found.children[1:-1]:
        piece = part.children[0]
        if not _is_token(piece):
            raise _no_template(line)
        if "\n" in piece:
            raise Invalid(f'line {line}: the text is not closed on its line: write the missing `"`')
        pieces.append(_literal(str(piece), line) if piece.type == "STRING_CHARS" else _unescaped(str(piece)))
    return "".join(pieces)


def _literal(text: str, line: int) -> str:
    from hcl2.utils import process_escape_sequences  # noqa: PLC0415

    # The library leaves an escape that it can't resolve as it is; HCL refuses it.
    for escape in _ESCAPE.finditer(text):
        code = int(escape[1][1:], 16) if escape[1][:1] in "uU" and len(escape[1]) > 1 else None
        if escape[1] not in _SHORT_ESCAPES and (code is None or not _is_character(code)):
            raise Invalid(f"line {line}: the text has an invalid escape: `\\{escape[1][:_WORD_LENGTH]}`")
    return str(process_escape_sequences(text))


def _is_character(code: int) -> bool:
    return code < 0xD800 or 0xDFFF < code <= sys.maxunicode


def _heredoc(source: str, line: int) -> str:
    """Return the lines between the two marks; of `<<-` without the indentation that all of them have."""
    mark, *lines = source.replace("\r\n", "\n").rstrip().split("\n")
    text = "\n".join(lines[:-1])
    if _TEMPLATE.search(text):
        raise _no_template(line)
    return _unescaped(textwrap.dedent(text) if mark.startswith("<<-") else text)


def _unescaped(text: str) -> str:
    return text.replace("$${", "${").replace("%%{", "%{")


def _no_template(line: int) -> Invalid:
    return Invalid(f"line {line}: a text with ${{...}} or %{{...}} is not evaluated here: write its value")


def _is_token(part: Any) -> bool:
    return hasattr(part, "type")


# --- errors -------------------------------------------------------------------------------------------------


def _explained(source: str, error: Any) -> str:
    """Say which line is wrong, and what to write there."""
    parser = getattr(error, "interactive_parser", None)
    stack = list(parser.parser_state.value_stack) if parser else []
    if line := _open_text(stack):
        return f'line {line}: the text is not closed: write the missing `"`'
    opened = [part.line for part in stack if _is_token(part) and part.type == "LBRACE"]
    if getattr(getattr(error, "token", None), "type", "") == "$END" and opened:
        return f"line {opened[-1]}: the block is not closed: write the missing `}}`"
    line = min(max(error.line, 1), source.count("\n") + 1)
    rest = source.split("\n")[line - 1][max(error.column - 1, 0) :].split()
    what = f"found `{rest[0][:_WORD_LENGTH]}`, " if rest else ""
    wanted = '`name = "text"`' if opened else 'a block such as `policy "name" {`'
    return f"line {line}: {what}expected {wanted}"


def _open_text(stack: list[Any]) -> int:
    """Return the line of the first text that does not end where it should, 0 for none."""
    for part in stack:
        if _is_token(part):
            if part.type == "DBLQUOTE":
                return int(part.line)
            continue
        if not hasattr(part, "find_data"):
            continue
        lines = [text.meta.line for text in part.find_data("string") if text.meta.line != text.meta.end_line]
        if lines:
            return int(min(lines))
    return 0
