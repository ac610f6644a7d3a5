"""Which local modules a file of a configuration names, in any spelling: never fewer than Terraform takes.

What is not written out counts as more. A source with a variable in it is any module below the folders before
that; any other expression may be every file of the repository.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from bot.terraform.repository.hcl import BROKEN, blocks, objects, parsed, tokens

ANY = "/"
"""A source that may be any file of the repository."""

# In bytes, and in characters.
LARGEST = 4_000_000
LONGEST = 1000
_MOST = 1000

_LOCAL = ("./", "../", ".\\", "..\\")
# Any `source` that is written out counts, so also that of a resource that reads a file.
_PLAIN = re.compile(r'\bsource"?[^\S\n]*[=:]\s*"(\.{1,2}(?:/[^"\n\\$%]*)?)"')
# Absolute paths that lead to the run's own tree.
_OWN_TREE = re.compile(r"(?:^|:)/*/(?:run|proc)/")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_TEMPLATE = re.compile(r"[$%]\{")
# Parts of a template whose value may be a path upwards, without a variable that says so.
_UPWARDS = re.compile(r'["\\]|\.\.|%\{|\bpath\b')
_OPENING, _CLOSING = ("{", "(", "["), ("}", ")", "]")
_SIGNS = {"n": "\n", "r": "\r", "t": "\t"}


def local_sources(data: bytes, *, in_json: bool) -> list[str]:
    """Return the local sources in a file of a configuration, sorted.

    `./m` is a module. `./m/` is any one below a folder, and `ANY` anything: the source is not written out.
    """
    if len(data) > LARGEST:
        return [ANY]
    text = data.decode(errors="surrogateescape")
    found: set[str] = set()
    if "source" in text:
        found.update(source for each in _PLAIN.finditer(text) for source in _written_out(each[1]))
    if "module" in text or (in_json and "\\u" in text):
        for source in _in_json(text) if in_json else _in_hcl(text):
            found.add(source)
            if len(found) > _MOST:
                break
    return [ANY] if len(found) > _MOST else sorted(found)


def written_sources(data: bytes, *, in_json: bool) -> Counter[bytes]:
    """Count the quoted sources of the `module` blocks in a file, as they are written."""
    text = data.decode(errors="surrogateescape")
    if in_json:
        quoted = [f'"{each}"' for each in _given_in_json(text) if isinstance(each, str)]
    else:
        quoted = [signs[0] for signs in _expressions(text) if len(signs) == 1]
    return Counter(each.encode(errors="surrogatepass") for each in quoted)


def _expressions(text: str) -> Iterator[list[str]]:
    """Yield the sources of the `module` blocks in HCL, by their signs; `BROKEN` if more may be there."""
    depth, line, module = 0, list[str](), False
    for sign in chain(tokens(text), "\n"):
        if sign == BROKEN:
            yield [BROKEN]
        elif (sign == "\n" or sign in _CLOSING) and depth <= 1:
            if module and line[:2] == ["source", "="]:
                yield line[2:]
            line, module, depth = [], module and sign == "\n", depth - (sign in _CLOSING)
        elif sign in _OPENING and depth == 0:
            module, line, depth = line[:1] == ["module"], [], 1
        else:
            depth += (sign in _OPENING) - (sign in _CLOSING)
            line.append(sign)
        if depth < 0:
            break
    if depth:
        yield [BROKEN]


def _in_hcl(text: str) -> Iterator[str]:
    """Yield the sources in HCL. Any expression but a quoted string may be any source."""
    for expression in _expressions(text):
        signs = [each for each in expression if each != "\n"]
        around = 0
        while around < len(signs) // 2 and signs[around] == "(" and signs[-1 - around] == ")":
            around += 1
        if around * 2 + 1 == len(signs) and signs[around].startswith('"'):
            yield from _of_template(signs[around][1:].removesuffix('"'), escapes=True)
        else:
            yield ANY


def _in_json(text: str) -> Iterator[str]:
    """Yield the sources in JSON syntax. What is not valid may be anything."""
    for source in _given_in_json(text):
        if isinstance(source, str):
            # Terraform before 1.15 takes it as it is written.
            yield from _written_out(source)
            yield from _of_template(source, escapes=False)
        else:
            yield ANY


def _given_in_json(text: str) -> Iterator[Any]:
    """Yield the values that are sources of modules in a file; None if it is not valid."""
    try:
        document = parsed(text)
    except ValueError:
        yield None
        return
    for modules in blocks(document, "module"):
        for _, value in modules:
            for body in objects(value):
                yield from (given for key, given in body if key == "source")


def _of_template(text: str, *, escapes: bool) -> Iterator[str]:
    """Yield the sources that a text may be, by what is before its first template.

    A value in a template is taken for a name: not for a path with `..` in it.
    """
    begin = _TEMPLATE.search(text)
    start = text[: begin.start()] if begin else text
    start = _ESCAPE.sub(_unescaped, start) if escapes else start
    if begin is None:
        yield from _written_out(start)
    elif start.startswith(("./", "../")) and not (
        start.endswith(".") or _UPWARDS.search(text, begin.start())
    ):
        for each in _written_out(start.rpartition("/")[0]):
            yield each if each == ANY else f"{each}/"
    elif not start or start.startswith(".") or _OWN_TREE.search(start):
        yield ANY


def _unescaped(found: re.Match[str]) -> str:
    number = found[1] or found[2]
    if number is None:
        return _SIGNS.get(found[3], found[3])
    return chr(min(int(number, 16), sys.maxunicode))


def _written_out(source: str) -> Iterator[str]:
    """Yield a local source in each way that Terraform may take it: in NFC, and with slashes for `\\`."""
    if not source.startswith(_LOCAL) and source not in (".", ".."):
        if _OWN_TREE.search(source):
            yield ANY
    elif len(source) > LONGEST or "\0" in source:
        yield ANY
    else:
        for each in {source, unicodedata.normalize("NFC", source)}:
            yield from {each.rstrip("/"), each.replace("\\", "/").rstrip("/")}
