"""Hides secret values in a stream of output (promise 6), wherever the stream is cut into pieces.

A secret is also hidden in the forms that Terraform and HTTP print it in: line by line, escaped as in JSON and
HCL, percent-encoded. Values shorter than four characters, and the words `true`, `false` and `null`, are not
hidden: they occur everywhere, so that hiding them would ruin the output and
tell the value by its absence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

MASK = "***"
SHORTEST = 4
_WORDS = frozenset({"true", "false", "null"})


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
        held, first = self._held, len(self._held)
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
        for form in self._forms:
            at = self._held.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = self._held.find(form, at + 1)
        found.sort()
        start, stop = -1, -1
        for one, other in found:
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
    masker = Masker(secrets)
    return masker.feed(text) + masker.flush()


def _forms(secrets: Iterable[str]) -> tuple[str, ...]:
    forms: set[str] = set()
    for secret in secrets:
        for value in (secret.strip(), *(line.strip() for line in secret.splitlines())):
            forms.update(_spellings(value))
    kept = (form for form in forms if len(form) >= SHORTEST and form not in _WORDS)
    return tuple(sorted(kept, key=len, reverse=True))


def _spellings(value: str) -> Iterator[str]:
    yield value
    if len(value) < SHORTEST or value in _WORDS:
        return
    escaped = json.dumps(value, ensure_ascii=False)[1:-1]
    yield escaped
    # As Go's encoder of JSON writes it, which `jsonencode` uses.
    yield escaped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    yield escaped.replace("${", "$${").replace("%{", "%%{")
    yield quote(value, safe="")
