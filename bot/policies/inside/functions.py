"""Built-in functions for the bundled evaluator. Each gives OPA's answer or an error, never another answer.

They replace the evaluator's own functions, which format, match or round differently.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from .data_files import JSON_NUMBER, read_json
from .patterns import matches, search
from .printing import composite, shortest

_CONTROL = re.compile("[\x00-\x1f\x7f\u2028\u2029<>&]")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_VERB = re.compile(r"%(%|[sdv]|\.\d{1,2}f|f|t|x|q)|%")
_EPOCH = datetime.date(1970, 1, 1)
_DAY, _SECOND = 86_400 * 10**9, 10**9
_IP = re.compile(r"[0-9a-fA-F.:]+")
_EXACT = 1 << 53


class Unlike(ValueError):
    """A call that would give another answer than OPA."""


def sprintf(form: str, values: list[Any]) -> str:
    """Format as OPA does. Raises Unlike if a verb and its value do not fit."""
    left = iter(values)

    def one(found: re.Match[str]) -> str:
        verb = found[1]
        if verb == "%":
            return "%"
        if verb is None:
            raise Unlike(f"sprintf: the verb at {found.start()} of {form!r} is not known here")
        try:
            value = next(left)
        except StopIteration:
            raise Unlike(f"sprintf: {form!r} has more verbs than values") from None
        return _formatted(verb, value)

    text = _VERB.sub(one, form)
    if any(True for _ in left):
        raise Unlike(f"sprintf: {form!r} has fewer verbs than values")
    return text


def _formatted(verb: str, value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if verb == "v" or (verb == "s" and not number):
        return value if isinstance(value, str) else shortest(value) if number else composite(value)
    if verb == "d" and number and isinstance(value, int):
        return str(value)
    if verb == "x" and number and isinstance(value, int):
        return f"{value:x}"
    if verb == "q" and isinstance(value, str):
        return composite(value)
    if verb.endswith("f") and isinstance(value, float):
        return f"%{verb}" % value
    raise Unlike(f"sprintf: %{verb} does not fit {composite(value)[:50]}")


def marshal(value: Any) -> str:
    """Write JSON as Go does, with `<`, `>` and `&` escaped."""
    if _has_set(value) or _odd_number(value):
        raise Unlike("json.marshal: sets and large or tiny numbers are not known here")
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0] == "\x7f" else f"\\u{ord(found[0]):04x}"


def _has_set(value: Any) -> bool:
    if isinstance(value, dict):
        return any(not isinstance(key, str) or _has_set(inner) for key, inner in value.items())
    return isinstance(value, set | frozenset) or (
        isinstance(value, list | tuple) and any(_has_set(inner) for inner in value)
    )


def _odd_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_odd_number(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_odd_number(inner) for inner in value)
    return isinstance(value, int | float) and not isinstance(value, bool) and not _plain(value)


def _plain(value: float) -> bool:
    return abs(value) <= _EXACT and bool(JSON_NUMBER.fullmatch(repr(value)))


def unmarshal(text: str) -> Any:
    """Read JSON."""
    return read_json(text, "json.unmarshal: the text")


def to_number(value: Any) -> Any:
    """Read a number from a text."""
    if value is None or isinstance(value, bool):
        return int(bool(value))
    if isinstance(value, str):
        if not JSON_NUMBER.fullmatch(value) or abs(float(value)) > _EXACT:
            raise Unlike(f"to_number: {value[:40]!r} is not a number as they are known here")
        return float(value) if "." in value else int(value)
    return _number("to_number", value)


def _number(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unlike(f"{name}: operand must be a number")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unlike(f"{name}: operand must be a whole number")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Unlike(f"{name}: operand must be a string")
    return value


def _all_whole(name: str, values: Any) -> list[int]:
    if not isinstance(values, list | tuple | set | frozenset):
        raise Unlike(f"{name}: operand must be an array or a set")
    return [_whole(name, value) for value in values]


def total(values: Any) -> int:
    """Add whole numbers. For others the last digit would differ."""
    return _small("sum", sum(_all_whole("sum", values)))


def product(values: Any) -> int:
    """Multiply whole numbers."""
    return _small("product", math.prod(_all_whole("product", values)))


def _small(name: str, value: int) -> int:
    if abs(value) > 1 << 62:
        raise Unlike(f"{name}: the result is too large")
    return value


def cased(name: str, text: Any) -> str:
    """Return the text in upper or lower case, letter by letter."""
    letters = [letter.upper() if name == "upper" else letter.lower() for letter in _text(name, text)]
    if any(len(letter) != 1 for letter in letters):
        raise Unlike(f"{name}: a letter becomes several")
    return "".join(letters)


def replace(text: Any, old: Any, new: Any) -> str:
    """Replace every occurrence."""
    texts = [_text("replace", one) for one in (text, old, new)]
    if not texts[1]:
        raise Unlike("replace: there is nothing to look for")
    return texts[0].replace(texts[1], texts[2])


def indexof(text: Any, part: Any) -> int:
    """Return where a part begins, in characters."""
    if not part:
        raise Unlike("indexof: there is nothing to look for")
    return _text("indexof", text).find(_text("indexof", part))


def substring(text: Any, offset: Any, length: Any) -> str:
    """Return a part, in characters; a negative length means up to the end."""
    whole, begin, size = _text("substring", text), _whole("substring", offset), _whole("substring", length)
    if begin < 0:
        raise Unlike("substring: negative offset")
    return whole[begin:] if size < 0 else whole[begin : begin + size]


def format_int(value: Any, base: Any) -> str:
    """Write a whole number to a base."""
    forms = {2: "b", 8: "o", 10: "d", 16: "x"}
    if base not in forms:
        raise Unlike("format_int: the base must be 2, 8, 10 or 16")
    return format(_whole("format_int", value), forms[base])


def rounded(name: str, value: Any) -> int:
    """Round up or down."""
    number: float = _number(name, value)
    if (number < 0 and number != int(number)) or abs(number) > _EXACT:
        raise Unlike(f"{name}: of a negative fraction or a large number OPA has an answer of its own")
    return math.ceil(number) if name == "ceil" else math.floor(number)


def contains(network: Any, other: Any) -> bool:
    """Whether a network holds another, or an address."""
    outer, inner = _network(network, needs_length=True), _network(other)
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _network(text: Any, *, needs_length: bool = False) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    address, slash, length = _text("net.cidr_contains", text).partition("/")
    fine = _IP.fullmatch(address) and (not slash or re.fullmatch(r"0|[1-9]\d{0,2}", length))
    if not fine or (needs_length and not slash) or (":" in address and "." in address):
        raise Unlike(f"net.cidr_contains: {text[:60]!r} is not an address as they are known here")
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise Unlike(f"net.cidr_contains: {error}") from error
    if found.version == 6 and found.network_address.ipv4_mapped is not None:
        raise Unlike("net.cidr_contains: an IPv4 address that is written as IPv6 is not known here")
    return found


def add_date(ns: Any, years: Any, months: Any, days: Any) -> int:
    """Add years, months and days. A day that a month does not have is counted into the next month."""
    moment, *more = (_whole("time.add_date", one) for one in (ns, years, months, days))
    whole, rest = divmod(moment, _DAY)
    try:
        begin = _EPOCH + datetime.timedelta(days=whole)
        year, month = divmod(begin.year * 12 + begin.month - 1 + more[0] * 12 + more[1], 12)
        there = datetime.date(year, month + 1, 1) + datetime.timedelta(days=begin.day - 1 + more[2])
    except (ValueError, OverflowError) as error:
        raise Unlike("time.add_date: there is no such date") from error
    return _moment((there - _EPOCH).days * _DAY + int(rest))


def parse_time(text: Any) -> int:
    """Return the nanoseconds of a time such as `2024-01-02T13:04:05Z`."""
    found = _TIME.fullmatch(_text("time.parse_rfc3339_ns", text))
    if not found:
        raise Unlike(f"time.parse_rfc3339_ns: {text[:40]!r} is not a time such as 2024-01-02T13:04:05Z")
    try:
        date = datetime.date(*(int(part) for part in found.groups()[:3]))
        hours, minutes, seconds = (int(part) for part in found.groups()[3:6])
        datetime.time(hours, minutes, seconds)
        offset = datetime.timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
        datetime.time(int(found[9] or 0), int(found[10] or 0))
    except ValueError as error:
        raise Unlike(f"time.parse_rfc3339_ns: {error}") from error
    seconds += (date - _EPOCH).days * 86_400 + hours * 3600 + minutes * 60
    shift = int(offset.total_seconds()) * (-1 if found[8] == "+" else 1)
    return _moment((seconds + shift) * _SECOND + int((found[7] or "0").ljust(9, "0")))


def _moment(ns: int) -> int:
    if not -(1 << 63) <= ns < 1 << 63:
        raise Unlike("the time is outside of what nanoseconds can tell")
    return ns


def trace(_note: Any) -> bool:
    """Do nothing: notes are not shown."""
    return True


def split(form: Any, text: Any) -> list[str]:
    """Split at what matches."""
    found = matches(form, text)
    begins = [0, *(one.end() for one in found)]
    ends = [*(one.start() for one in found), len(text)]
    return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]


def regex_replace(text: Any, form: Any, new: Any) -> str:
    """Replace what matches."""
    if "$" in _text("regex.replace", new):
        raise Unlike("regex.replace: `$` in the replacement is not known here")
    return str(new).join(split(form, text))


def find_n(form: Any, text: Any, most: Any) -> list[str]:
    """Return the first matches, all of them for -1."""
    return [found[0] for found in _first(form, text, most)]


def find_groups(form: Any, text: Any, most: Any) -> list[list[str]]:
    """Return the first matches with their groups, all of them for -1."""
    return [[found[0], *(group or "" for group in found.groups())] for found in _first(form, text, most)]


def _first(form: Any, text: Any, most: Any) -> list[re.Match[str]]:
    count, found = _whole("regex.find_n", most), matches(form, text)
    return found if count < 0 else found[:count]


FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "sprintf": (2, sprintf),
    "json.marshal": (1, marshal),
    "json.unmarshal": (1, unmarshal),
    "to_number": (1, to_number),
    "sum": (1, total),
    "product": (1, product),
    "upper": (1, lambda text: cased("upper", text)),
    "lower": (1, lambda text: cased("lower", text)),
    "replace": (3, replace),
    "indexof": (2, indexof),
    "substring": (3, substring),
    "format_int": (2, format_int),
    "ceil": (1, lambda value: rounded("ceil", value)),
    "floor": (1, lambda value: rounded("floor", value)),
    "regex.match": (2, search),
    "regex.replace": (3, regex_replace),
    "regex.split": (2, split),
    "regex.find_n": (3, find_n),
    "regex.find_all_string_submatch_n": (3, find_groups),
    "net.cidr_contains": (2, contains),
    "time.add_date": (4, add_date),
    "time.parse_rfc3339_ns": (1, parse_time),
    "trace": (1, trace),
}
"""The functions by name, each with how many arguments it takes."""


def made(*, decimals: bool) -> dict[str, tuple[int, Callable[..., Any]]]:
    """Return the functions. Without `decimals`, those that would read one from a text fail instead."""
    found = dict(FUNCTIONS)
    if not decimals:
        found["to_number"] = (1, lambda value: _no_decimals(to_number(value)))
        found["json.unmarshal"] = (1, lambda text: _no_decimals(unmarshal(text)))
    return found


def _no_decimals(value: Any) -> Any:
    if _has_float(value):
        raise Unlike("decimals are not read from a text in a set that calculates")
    return value


def _has_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_float(inner) for inner in value.values())
    return isinstance(value, float) or (isinstance(value, list) and any(_has_float(inner) for inner in value))
