"""Shortens a commit status's description to a forge's limit: one line of so many characters."""

from __future__ import annotations

_ELLIPSIS = "…"


def fitted(text: str, limit: int) -> str:
    """Return the text in one line of at most `limit` characters, cut after a whole word and marked as cut."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    kept = line[: limit - len(_ELLIPSIS)]
    whole_words = kept if line[len(kept)] == " " else kept.rpartition(" ")[0]
    # A first word longer than the limit is cut within: better half a word than none.
    return f"{whole_words or kept}{_ELLIPSIS}"


def narrow(text: str) -> str:
    """Return the text without what takes four bytes, such as most emoji: GitHub refuses it in a status."""
    return "".join(letter if letter <= "\uffff" else "\N{REPLACEMENT CHARACTER}" for letter in text)
