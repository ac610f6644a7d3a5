"""Which built-in functions the bundled evaluator may call, with their types.

`ALLOWED` has the functions that always gave OPA's answer when both were compared. Others are refused. So is
a call that `wrong_call` finds to be different. `functions` has those that are computed here instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

ANY = frozenset({"null", "boolean", "number", "string", "array", "object", "set"})
_KINDS = {
    "a": frozenset({"array"}),
    "b": frozenset({"boolean"}),
    "c": frozenset({"array", "object", "set", "string"}),
    "l": frozenset({"array", "set"}),
    "m": frozenset({"string", "array", "set"}),
    "n": frozenset({"number"}),
    "o": frozenset({"object"}),
    "p": frozenset({"string", "array"}),
    "s": frozenset({"string"}),
    "t": frozenset({"number", "array"}),
    "u": frozenset({"set"}),
    "v": ANY,
    "f": frozenset({"array", "set", "object"}),
    "d": frozenset({"null", "array"}),
    "k": frozenset({"number", "string", "boolean", "null"}),
}


@dataclass(frozen=True)
class Builtin:
    """A function's types: those of its arguments, and of its value. `own`: computed by `functions`."""

    arguments: tuple[frozenset[str], ...]
    result: frozenset[str]
    own: bool = False


def _signed(text: str, *, own: bool = False) -> dict[str, Builtin]:
    found = {}
    for line in text.split():
        name, _, signature = line.partition(":")
        given, _, result = signature.partition(">")
        found[name] = Builtin(tuple(_KINDS[kind] for kind in given), _KINDS[result], own)
    return found


ALLOWED: Mapping[str, Builtin] = {
    **_signed(
        """abs:n>n round:n>n count:c>n max:l>v min:l>v sort:l>a numbers.range:nn>a numbers.range_step:nnn>a
        array.concat:aa>a array.reverse:a>a array.slice:ann>a concat:sl>s contains:ss>b startswith:ss>b
        endswith:ss>b split:ss>a strings.reverse:s>s strings.any_prefix_match:mm>b
        strings.any_suffix_match:mm>b trim:ss>s trim_left:ss>s trim_right:ss>s trim_prefix:ss>s
        trim_suffix:ss>s trim_space:s>s is_array:v>b is_boolean:v>b is_null:v>b is_number:v>b is_object:v>b
        is_set:v>b is_string:v>b type_name:v>s union:u>u intersection:u>u object.get:ovv>v object.keys:o>u
        object.remove:of>o object.filter:of>o object.union:oo>o object.union_n:a>o graph.reachable:ol>u
        base64.encode:s>s base64.decode:s>s base64url.encode:s>s base64url.decode:s>s hex.encode:s>s
        hex.decode:s>s glob.match:sds>b net.cidr_is_valid:v>b net.cidr_expand:s>u semver.compare:ss>n
        time.now_ns:>n time.clock:t>a time.date:t>a time.weekday:t>s time.parse_duration_ns:s>n walk:vv>v"""
    ),
    **_signed(
        """sprintf:sa>s json.marshal:v>s json.unmarshal:s>v to_number:k>n sum:l>n product:l>n
        upper:s>s lower:s>s
        replace:sss>s indexof:ss>n substring:snn>s format_int:nn>s ceil:n>n floor:n>n regex.match:ss>b
        regex.replace:sss>s regex.split:ss>a regex.find_n:ssn>a regex.find_all_string_submatch_n:ssn>a
        net.cidr_contains:ss>b time.add_date:nnnn>n time.parse_rfc3339_ns:s>n trace:s>b""",
        own=True,
    ),
}

_PLAIN_GLOB = re.compile(r"[A-Za-z0-9_.:/ @*-]*")
_PLAIN_DELIMITERS = re.compile(r"[A-Za-z0-9_.:/ @-]")


def wrong_call(name: str, texts: list[object]) -> str:
    """Say why a call would be different from OPA's, empty for none.

    `texts` are the constant arguments: a text, a list of texts, None for null; `...` for any other.
    """
    if name == "walk" and len(texts) != 2:
        return "walk is known only as `walk(value, [path, found])`"
    if name == "glob.match":
        pattern, delimiters = texts[0], texts[1]
        if not isinstance(pattern, str) or not _PLAIN_GLOB.fullmatch(pattern):
            return "glob.match needs a pattern that is written out, of letters, digits, `*` and `-_.:/@`"
        if delimiters is not None and not _are_plain(delimiters):
            return "glob.match needs delimiters that are written out, each of one letter or mark"
    return ""


def _are_plain(delimiters: object) -> bool:
    return isinstance(delimiters, list) and all(
        isinstance(one, str) and _PLAIN_DELIMITERS.fullmatch(one) for one in delimiters
    )
