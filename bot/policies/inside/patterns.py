"""Regular expressions with the same meaning in Go and in Python. Others are refused.

Go's syntax: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_SET = r"\[\^?(?:[^\]\[\\&~|-]|\\[dDwWs]|\\[!-/:-@\[-`{-~]|-(?![-&~|]))+\]"
_TOKEN = re.compile(
    rf"""\\(?P<class>[dDwWsS]) | \\(?P<bound>[bB]) | \\(?P<mark>[!-/:-@\[-`{{-~]) | \\(?P<space>[tnrfv])
      | (?P<set>{_SET}) | (?P<times>\{{\d{{1,2}}(?:,\d{{0,2}})?\}}) | (?P<open>\((?:\?:|(?!\?)))
      | (?P<repeat>[*+?]\??) | (?P<any>[.^$|)]) | (?P<plain>[^\\\[\](){{}}*+?.^$|])""",
    re.VERBOSE | re.DOTALL,
)
_FOLDED = "(?i)"
# Go's white space has no vertical tab, and its `$` without (?m) is the end of the text only.
_OTHERWISE = {r"\s": r"[\t\n\f\r ]", r"\S": r"[^\t\n\f\r ]", "$": r"\Z"}
_REPEATS = ("repeat", "times")


def search(form: Any, text: Any) -> bool:
    """Whether a pattern matches anywhere in a text. Raises ValueError if Go might say otherwise."""
    return _pattern(form, text).search(text) is not None


def matches(form: Any, text: Any) -> list[re.Match[str]]:
    """Return a pattern's matches. Raises ValueError if Go might find others: after an empty match."""
    found = list(_pattern(form, text).finditer(text))
    if any(not one[0] for one in found):
        raise ValueError(f"regex: {form[:80]!r} matches an empty text, which is not known here")
    return found


def _pattern(form: Any, text: Any) -> re.Pattern[str]:
    if not isinstance(form, str) or not isinstance(text, str):
        raise ValueError("regex: operands must be strings")
    if form.startswith(_FOLDED) and not (form.isascii() and text.isascii()):
        raise ValueError("regex: `(?i)` with letters beyond ASCII is not known here")
    return _compiled(form)


@lru_cache(maxsize=1000)
def _compiled(form: str) -> re.Pattern[str]:
    body = form.removeprefix(_FOLDED)
    at, before = 0, ""
    out: list[str] = []
    while at < len(body):
        found = _TOKEN.match(body, at)
        kind = (found and found.lastgroup) or ""
        if found is None or (kind in _REPEATS and before in ("", "open", *_REPEATS)):
            raise ValueError(f"regex: {body[at : at + 20]!r} in {form[:80]!r} is not known here")
        piece = found[0]
        if kind == "set":
            piece = piece.replace(r"\s", r"\t\n\f\r ")
        out.append(_OTHERWISE.get(piece, piece))
        # These may not be repeated.
        before = "open" if piece in ("^", "|", "$") or kind == "bound" else kind
        at = found.end()
    flags = re.ASCII | (re.IGNORECASE if form.startswith(_FOLDED) else 0)
    try:
        return re.compile("".join(out), flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"regex: {form[:80]!r} is not valid: {error}") from error
