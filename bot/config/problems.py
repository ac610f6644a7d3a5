"""Collects all problems of the configuration, so that one start shows all of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from bot.domain.errors import ConfigError

_SECRET = re.compile(
    r"gh[pousr]_\w{8,}|github_pat_\w{8,}|glpat-[\w-]{8,}|-----BEGIN|AKIA[0-9A-Z]{12,}|hooks\.slack\.com/\w+/|[?&]sig=[\w%-]{8,}|\w+://[^/\s:@]*:[^/\s@]+@"
)
_SHOWN = 60


class Problems:
    """The problems, in the order in which they were found."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, where: str, what: str) -> None:
        """Add a problem: the setting or the line, then what is wrong and what to write."""
        self._lines.append(f"{where}: {what}")

    def extend(self, lines: Iterable[str]) -> None:
        """Add problems that already name their place."""
        self._lines.extend(lines)

    def refuse(self) -> None:
        """Raise ConfigError with every problem, if there is one."""
        if not self._lines:
            return
        count = len(self._lines)
        title = (
            "The configuration has a problem:" if count == 1 else f"The configuration has {count} problems:"
        )
        raise ConfigError("\n".join([title, *(f"  - {line}" for line in self._lines)]))


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return ` - did you mean x?` for the nearest of the known words, else the words that there are."""
    words = sorted(known)
    near = difflib.get_close_matches(wrong.casefold(), words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return "use one of: " + ", ".join(f"`{word}`" for word in words)


def looks_secret(value: str) -> bool:
    """Whether a text has the form of a token, a key or an address with a password in it."""
    return bool(_SECRET.search(value))


def shown(value: object) -> str:
    """Return a value as an error message may repeat it: one line, short, and never a secret (promise 6)."""
    text = str(value)
    if looks_secret(text):
        return "(hidden: it looks like a secret)"
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return f"`{text[:_SHOWN]}…`" if len(text) > _SHOWN else f"`{text}`"
