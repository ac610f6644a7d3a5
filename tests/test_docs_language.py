"""The pages are in plain English: short sentences, and no phrases that people read twice.

CONTRIBUTING has the rules (How to write text). This test knows the rules that a machine can check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docs import PAGES, ROOT, name_of, prose
from tests.test_language import PHRASES

MOST_WORDS = 30
# Written by a program, from OPA's own names.
GENERATED = {"docs/reference/conformance.md"}

# What is hard to read on a page, and what to write instead. The phrases of tests/test_language.py count too.
_IF = "it|they|there|nobody|nothing|none|one|unset|set|left|needed|either|neither|both|that|this|you say"
_STATE = "it|this|that|the|a|an|wrong|missing|different|not there|in it|in a"
PROSE = {
    # A clause in the place of a noun, as in "shows what is planned".
    rf"\b[Ww]hat (?:is|are|was|were) (?!(?:{_STATE})\b)\w+": "a noun: the plan that it has",
    r"\b[Ww]hat (?:has|have|had) \w+": "a noun",
    r"(?:^|[.:;] )Who (?:may|would|can|is|has|wants)\b[^?]*$": "people who",
    r"\bwhose\b": "of, with, that has",
    r"\b(?:of|for|to|by|as|from|with|on|in) whom\b": "a sentence with who",
    r"\bof which\b": "a sentence of its own",
    r"(?<!left )\balone\b": "only",
    rf"\bwhere (?:{_IF})\b": "if",
    r"\bleft out\b": "if unset, not given",
    r"\bbehind (?:a name|the name|a row|the merge|`|a merge)": "after",
    r", for (?:it|they|only|GitLab|GitHub|YAML) \w+": "because",
    r"\b(?:as|so) far as\b": "if",
    r"\b(?:likewise|lest|thereof|whereby|thereby|whilst|hence|besides)\b": "a plain word",
    r"\bso as to\b": "to",
    r"\b(?:be|is|are) had\b": "found, available",
    r"\bsees to (?:it|that)\b": "checks",
    r"\bdoes as well\b": "works too",
    r"\ball the same\b": "still",
    r"\bsaid plainly\b": "nothing",
    r"\b(?:speaks|tells|told|tell|telling) of\b": "name, report",
    r"\bthrown? away\b": "delete",
    r"\bput(?:s)? (?:\w+ ){0,3}aside\b": "discard",
    r"\b(?:stands|stood|stand) (?:in|there|on)\b": "is",
}


def units(path: Path) -> Iterator[tuple[int, str]]:
    """Each paragraph, list item, title or cell of a table, with the line that it starts at.

    Quotes are left out: they show what the bot writes.
    """
    start, gathered = 0, ""
    for number, line in enumerate([*prose(path.read_text(encoding="utf-8")).splitlines(), ""], start=1):
        text = line.strip()
        if not text or re.match(r"(?:[-*|#>]|\d+\.|<)", text):
            if gathered:
                yield start, gathered
            start, gathered = number, ""
        if text.startswith("|"):
            yield from ((number, cell.strip()) for cell in re.split(r"(?<!\\)\|", text) if cell.strip())
        elif text and not text.startswith((">", "<")):
            gathered = f"{gathered} {text}".strip()


def plain(text: str) -> str:
    """Take a link's address away, marks of emphasis, and words in quotes, which a rule may name."""
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text).replace("**", "")
    return re.sub(r'"[^"]{1,12}"', '"..."', text)


def sentences(text: str) -> list[str]:
    return [each for each in re.split(r"(?<=[.!?:])[\"')]*\s+(?=\S)", plain(text)) if each]


def long_sentences(text: str) -> list[str]:
    return [each for each in sentences(text) if len(re.findall(r"[\w`'./-]*\w[\w`'./-]*", each)) > MOST_WORDS]


def faults(path: Path) -> list[str]:
    found = []
    for line, text in units(path):
        where = f"{name_of(path)}:{line}"
        found += [f"{where}: more than {MOST_WORDS} words: {each[:70]}..." for each in long_sentences(text)]
        found += [
            f"{where}: {match[0]!r}: write {instead!r}"
            for phrase, instead in {**PHRASES, **PROSE}.items()
            for match in re.finditer(phrase, plain(text))
        ]
    return found


@pytest.mark.parametrize("path", [p for p in PAGES if name_of(p) not in GENERATED], ids=name_of)
def test_a_page_is_in_plain_words(path: Path) -> None:
    assert faults(path) == []


@pytest.mark.parametrize(
    "text",
    [
        "Shows what is planned.",
        "A plan whose digest differs.",
        "The people for whom it waits.",
        "It comes over https alone.",
        "The default branch where it is unset.",
        "It ends, for GitLab takes the comment.",
        "Discarding puts a run aside.",
    ],
)
def test_a_phrase_that_people_read_twice_is_found(text: str) -> None:
    assert any(re.search(phrase, text) for phrase in PROSE)


def test_a_long_sentence_is_found() -> None:
    assert long_sentences("Short. " + "word " * (MOST_WORDS + 1) + "end.")
    assert not long_sentences("word " * (MOST_WORDS - 1) + "end. " + "word " * (MOST_WORDS - 1) + "end.")


def test_pages_are_found() -> None:
    assert {"README.md", "SECURITY.md", "docs/index.md"} <= {
        path.relative_to(ROOT).as_posix() for path in PAGES
    }
