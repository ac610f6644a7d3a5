"""Addresses of resources, actions and objects that have checks, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.terraform.saved_plan.faults import UnreadablePlan

WILDCARD = "*"
_LONGEST = 100_000
_PIECE = re.compile(
    r"""
    (?P<name>[^\W\d][\w-]*)
    (?:\[(?:(?P<number>[0-9]+)|(?P<any>\*)|"(?P<text>(?:[^"\\]|\\.)*)")\])?
    (?P<end>\.|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))|([$%])\4\{", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_MODES = {"data": "data", "ephemeral": "ephemeral", "action": "action", "list": "list"}
_PROVIDER = re.compile(r'(?:module\..+\.)?provider\["([^"\\\[\]]+)"\](?:\.[^\W\d][\w-]*)?\Z')


@dataclass(frozen=True, slots=True)
class Address:
    """One resource instance. `index` is None without `count` and `for_each`; `any_index` stands for `[*]`."""

    module: str
    mode: str
    type: str
    name: str
    index: int | str | None = None
    any_index: bool = False


def parse_address(text: str) -> Address:
    """Return an address taken apart. Raises UnreadablePlan if it is not one."""
    module, rest = split_module(text)
    pieces = _pieces(rest, text)
    mode = "managed"
    if len(pieces) == 3 and pieces[0][0] in _MODES and pieces[0][1] is None and not pieces[0][2]:
        mode = _MODES[pieces.pop(0)[0]]
    if len(pieces) != 2 or pieces[0][1] is not None or pieces[0][2]:
        raise UnreadablePlan(f"{text[:200]!r} is not the address of a resource")
    return Address(module, mode, pieces[0][0], *pieces[1])


def split_module(text: str) -> tuple[str, str]:
    """Return the module part of an address, empty for the root module, and what follows it."""
    if len(text) > _LONGEST:
        raise UnreadablePlan("an address is too long")
    position = 0
    while text.startswith("module.", position):
        match = _PIECE.match(text, position + len("module."))
        if match is None or not match["end"]:
            raise UnreadablePlan(f"{text[:200]!r} is not an address")
        position = match.end()
    return text[: max(position - 1, 0)], text[position:]


def configured(place: Address) -> str:
    """Return the address of the block in the configuration: without any index."""
    modules, position = "", 0
    while match := _PIECE.match(place.module, position + len("module.")):
        modules += f"module.{match['name']}."
        position = match.end()
    mode = "" if place.mode == "managed" else f"{place.mode}."
    return f"{modules}{mode}{place.type}.{place.name}"


def provider_source(text: str) -> str:
    """Return the source of a provider's address in a plan: `registry.terraform.io/hashicorp/null`."""
    match = _PROVIDER.match(text)
    if match is None:
        raise UnreadablePlan(f"{text[:200]!r} is not the address of a provider")
    return match[1]


def _pieces(rest: str, whole: str) -> list[tuple[str, int | str | None, bool]]:
    found: list[tuple[str, int | str | None, bool]] = []
    position = 0
    while True:
        match = _PIECE.match(rest, position)
        if match is None or len(found) > 3:
            raise UnreadablePlan(f"{whole[:200]!r} is not an address")
        index: int | str | None = None
        if match["number"] is not None and len(match["number"]) < 20:
            index = int(match["number"])
        elif match["text"] is not None:
            index = _ESCAPE.sub(_unescape, match["text"])
        found.append((match["name"], index, match["any"] is not None))
        position = match.end()
        if not match["end"]:
            return found


def _unescape(match: re.Match[str]) -> str:
    short, long, letter, introducer = match.groups()
    if introducer:
        return f"{introducer}{{"
    if letter:
        return _LETTERS.get(letter, match[0])
    code = int(short or long, 16)
    return chr(code) if code < 0x110000 else match[0]
