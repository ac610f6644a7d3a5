"""Hides secret values in a stream of output (promise 6), wherever the stream is cut into pieces.

A secret is also hidden in the forms that programs print it in: line by line, wrapped at its spaces, escaped
as in JSON and HCL (up to three times), percent-encoded, in base64, there within a longer text too. Values
shorter than four characters, and the words `true`, `false` and `null`, are not hidden: they occur everywhere,
so that hiding them would ruin the output and tell the value by its absence.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

from bot.domain.workspaces.variables import Category, Variable

MASK = "***"
SHORTEST = 4
_NESTED = 3
# Shorter ones might be anything.
_SHORTEST_INNER = 6
# How much of what a provisioner said is remembered; longer secrets have many lines, each of which is hidden.
_LONGEST_PIECE = 4096
_LONGEST_LINE = 65_536
_STRING = r'"((?:[^"\\]|\\.)*)"'
# Strings and identifiers match too, so that no number is found in them. The second group has the number.
_NUMBERS = re.compile(rf"{_STRING}|[^\W\d][\w-]*|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
# Longer ones are in no configuration: Terraform's numbers have 512 bits.
_LONGEST_NUMBER = 400
_PROVISIONER = re.compile(r"\S[^\n]*? \((?:local|remote)-exec\): ")
_WORDS = frozenset({"true", "false", "null"})
# Terraform wraps its errors at spaces: if a secret has one, a line's end is as good. One character for
# one, so that what is found in the folded text lies at the same place in the text itself.
_FOLD = str.maketrans("\n", " ")


class Masker:
    """Replaces every occurrence of a secret; occurrences that overlap or touch become one mask.

    Feed it pieces of text; what may still turn out to be the beginning of a secret is held back.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = _forms(secrets)
        self._held = ""
        # How much of the held text is known to belong to a secret, and whether its mask is out already.
        self._covered = 0
        self._masking = False

    def feed(self, text: str) -> str:
        """Take the next piece; return what is safe to show now."""
        self._held += text
        return self._emit(self._undecided())

    def flush(self) -> str:
        """Return the rest: no more text comes."""
        return self._emit(len(self._held))

    def _undecided(self) -> int:
        """Return where the earliest beginning of a secret lies that the text so far does not complete."""
        held, first = self._held.translate(_FOLD), len(self._held)
        for form in self._forms:
            at = max(0, len(held) - len(form) + 1)
            # Looking for the first characters alone skips nearly every position of a long secret.
            while 0 <= (at := held.find(form[0], at)) < first:
                if form.startswith(held[at:]):
                    first = at
                    break
                at += 1
        return first

    def _emit(self, end: int) -> str:
        out, at = [], 0
        intervals = list(self._intervals())
        for start, stop in intervals:
            if start >= end:
                break
            if start > at:
                out.append(self._held[at:start])
                self._masking = False
            if not self._masking:
                out.append(MASK)
                self._masking = True
            at = min(stop, end)
        if at < end:
            out.append(self._held[at:end])
            self._masking = False
        self._covered = max((stop - end for start, stop in intervals if start <= end < stop), default=0)
        self._held = self._held[end:]
        return "".join(out)

    def _intervals(self) -> Iterator[tuple[int, int]]:
        """Return where secrets lie in the held text: sorted, merged where they overlap or touch."""
        found = [(0, self._covered)] if self._covered else []
        held = self._held.translate(_FOLD)
        for form in self._forms:
            found.extend(_occurrences(held, form))
        return _merged(found)


class TerraformMasker(Masker):
    """A Masker for what Terraform says, line by line; it also hides what a provisioner says in pieces."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(secrets)
        self._pieces = _Pieces(self._forms)
        self._line = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what is safe to show now."""
        *lines, self._line = (self._line + text).split("\n")
        whole = "".join(self._pieces.line(line) + "\n" for line in lines)
        if len(self._line) > _LONGEST_LINE:
            whole, self._line = whole + self._pieces.line(self._line), ""
        return super().feed(whole)

    def flush(self) -> str:
        """Return the rest: no more text comes."""
        rest, self._line = self._pieces.line(self._line), ""
        return super().feed(rest) + super().flush()


class _Pieces:
    """Hides what a provisioner says in pieces: Terraform shows each piece as a line of its own.

    A program that writes half a secret, and a moment later the rest, has it shown as two lines with the
    resource's name before each, maybe with others' between them. So each resource's pieces are looked at as
    one text. Nothing is held back for it: an end that may be a secret's beginning is hidden at once, if it
    has four characters or more.
    """

    def __init__(self, forms: tuple[str, ...]) -> None:
        self._forms = forms
        self._longest = min(max(map(len, self._forms), default=0), _LONGEST_PIECE)
        self._tails: dict[str, str] = {}

    def line(self, line: str) -> str:
        """Return a line without what of a secret is in it; any other line than a provisioner's as it is."""
        found = _PROVISIONER.match(line) if self._forms else None
        if found is None:
            return line
        said = line[found.end() :]
        tail = self._tails.get(found[0], "")
        text = tail + said
        self._tails[found[0]] = text[-self._longest :]
        return found[0] + "".join(self._shown(text, len(tail)))

    def _shown(self, text: str, begin: int) -> Iterator[str]:
        """Return what may be shown of a text from where it begins to be new."""
        at = begin
        for start, stop in _merged(self._found(text)):
            if stop > at:
                yield text[at:start]
                yield MASK
                at = stop
        yield text[at:]

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for form in self._forms:
            yield from _occurrences(text, form)
            at = max(0, len(text) - min(len(form), self._longest) + 1)
            while 0 <= (at := text.find(form[0], at)) <= len(text) - SHORTEST:
                if form.startswith(text[at:]):
                    yield at, len(text)
                    break
                at += 1


def _occurrences(text: str, form: str) -> Iterator[tuple[int, int]]:
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + 1)


def _merged(found: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Return places in order, those that overlap or touch as one."""
    start, stop = -1, -1
    for one, other in sorted(found):
        if one > stop:
            if stop >= 0:
                yield start, stop
            start, stop = one, other
        else:
            stop = max(stop, other)
    if stop >= 0:
        yield start, stop


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return a whole text with its secrets hidden."""
    return TextMasker(secrets).hide(text)


class TextMasker:
    """Hides secrets in many whole texts, quickly if none has any."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = _forms(secrets)

    def finds(self, texts: Iterable[str]) -> bool:
        """Whether there is a secret in any of the texts."""
        whole = "\0".join(texts).translate(_FOLD) if self._forms else ""
        return any(form in whole for form in self._forms)

    def hide(self, text: str) -> str:
        """Return a text with its secrets hidden."""
        folded, out, at = text.translate(_FOLD), [], 0
        for start, stop in _merged(place for form in self._forms for place in _occurrences(folded, form)):
            out += [text[at:start], MASK]
            at = stop
        return "".join([*out, text[at:]])


def secrets_of(variables: Iterable[Variable]) -> tuple[str, ...]:
    """Return what must not show of a run's variables: each sensitive value, and the texts within it.

    Terraform takes HCL and JSON apart to show them, and then the whole is nowhere to be found. Of HCL,
    numbers of four digits or more are secrets too. What only goes into the environment it does not show:
    of a cloud's credentials in JSON, the project's name stays readable.
    """
    found: list[str] = []
    for variable in variables:
        if not variable.sensitive:
            continue
        found.append(variable.value)
        if variable.hcl:
            found += _quoted(variable.value)
            found += _numbers(variable.value)
        elif variable.category == Category.TERRAFORM:
            found += _leaves(variable.value)
    return tuple(found)


def _quoted(text: str) -> Iterator[str]:
    """Return the strings in an HCL expression, as written and as meant."""
    for written in re.findall(_STRING, text):
        yield written
        try:
            yield str(json.loads(f'"{written}"', strict=False))
        except ValueError:
            continue  # an escape of HCL's own


def _numbers(text: str) -> Iterator[str]:
    """Return the numbers of four digits or more in an HCL expression, as written and as Terraform shows them.

    Without their signs.
    """
    for found in _NUMBERS.finditer(text):
        written = found[2] or ""
        for number in {written, _all_digits(written)}:
            if sum(map(str.isdigit, number)) >= SHORTEST:
                yield number


def _all_digits(number: str) -> str:
    """Return a number without an exponent and needless zeros, `1.50E+3` as `1500`. Empty if that is long."""
    try:
        value = Decimal(number)
    except ArithmeticError:
        return ""
    if abs(value.adjusted()) > _LONGEST_NUMBER:
        return ""
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _leaves(text: str) -> Iterator[str]:
    """Return the strings in a JSON document, none if the text is not JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return
    try:
        found: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while found:
        match found.pop():
            case str() as leaf:
                yield leaf
            case dict() as inner:
                found.extend(inner.values())
            case list() as inner:
                found.extend(inner)
            case _:
                continue  # a number, true, false or null


def _forms(secrets: Iterable[str]) -> tuple[str, ...]:
    forms: set[str] = set()
    for secret in secrets:
        for value in (secret.strip(), *(line.strip() for line in secret.splitlines())):
            forms.update(form.translate(_FOLD) for form in _spellings(value))
        if len(secret) >= SHORTEST:
            forms.update(_in_base64(secret.encode("utf-8", "replace")))
    kept = (form for form in forms if len(form) >= SHORTEST and form not in _WORDS)
    return tuple(sorted(kept, key=len, reverse=True))


def _in_base64(secret: bytes) -> Iterator[str]:
    """Return base64 of a secret, and what is the same wherever in a longer text it stands."""
    found = [base64.b64encode(secret).decode().rstrip("=")]
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret).decode().rstrip("=")
        # The characters at both ends are made of neighbours as well.
        inner = whole[before + 1 if before else 0 : -1 if (before + len(secret)) % 3 else None]
        found += [inner] if len(inner) >= _SHORTEST_INNER else []
    for form in found:
        yield form
        yield form.replace("+", "-").replace("/", "_")


def _spellings(value: str) -> Iterator[str]:
    yield value
    if len(value) < SHORTEST or value in _WORDS:
        return
    yield from (quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    # Terraform shows JSON within JSON as a string: what `jsonencode` made of what `jsonencode` made.
    forms = {value}
    for _ in range(_NESTED):
        forms = {spelled for form in forms for spelled in _escaped(form)}
        yield from forms


def _escaped(text: str) -> Iterator[str]:
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    yield plain
    # As Go's encoder of JSON writes it, which `jsonencode` uses; and as HCL does.
    yield plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    yield plain.replace("${", "$${").replace("%{", "%%{")
