"""The language: no phrases that are hard to read in docstrings, comments, messages and templates.

CONTRIBUTING has the rules (How to write text). This test knows only the worst phrases.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import bot

ROOT = Path(__file__).parents[1]
BOT = Path(bot.__file__).parent
TEMPLATES = ROOT / "templates"

# What is hard to read, and what to write instead.
PHRASES = {
    r"\bwhoever\b": "people who, the person who",
    r"\bwhosoever\b|\bwhomever\b": "people who",
    r"\bfor whom\b": "a sentence with if",
    r"\b(?:as|by|to|of|with|from|on|in) whom\b": "a sentence with who",
    r"\b(?:brings?|brought) (?:\w+ ){0,3}along\b": "store, contain, include",
    r"\b[Ll]ets? (?:a|an|the|it|them) (?:\w+ )?go\b": "unlock, release",
    r"\b[Pp]uts? (?:\w+ ){0,3}aside\b": "discard, store separately",
    r"\bdoes as well\b": "works too",
    r"\bsees to (?:it|that)\b": "checks",
    r"\bsaid plainly\b": "nothing",
    r"\b(?:thereof|whereby|whilst|lest)\b": "a plain word",
    r"(?<!here )\b(?:is|are) no (?!longer\b|more\b|room\b)\w+": "is not a, is not a valid",
    r"\b(?:None|True|False|[Ee]mpty|\w+Error|Invalid|NotFound|Conflict|Forbidden) where\b": "if",
    r"\bnothing happens where\b": "does nothing if",
    r"\bwhere (?:there (?:is|are) (?:no|none)|unset|nobody|nothing)\b": "if",
    r"(?<!`)\banew\b": "again",
    r"\blet go of\b": "release",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\b(?:kept|good|counts|known) no more\b": "no longer",
    r"\bpassed over\b": "skipped",
    r"\bwhat (?:became|becomes|has become) of\b": "the result",
    r"\b(?:no|a) \w+ of ours\b": "our, not our",
    r"\bbehind (?:it|them|one|whole|the first)\b": "after",
}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Each docstring, text and comment of a module, or each line of a template, with its line."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(source.splitlines(), start=1)
        return
    for node in ast.walk(ast.parse(source, str(path))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def faults(path: Path) -> list[str]:
    name = path.relative_to(ROOT).as_posix()
    return [
        f"{name}:{line}: {found[0]!r}: write {instead!r}"
        for line, text in texts(path)
        for phrase, instead in PHRASES.items()
        for found in re.finditer(phrase, text)
    ]


def files() -> list[Path]:
    return sorted([*BOT.rglob("*.py"), *TEMPLATES.rglob("*.md"), *TEMPLATES.rglob("*.html")])


def test_texts_are_in_plain_words() -> None:
    assert [fault for path in files() for fault in faults(path)] == []


@pytest.mark.parametrize(
    "text",
    [
        "whoever asks",
        "a key that is no key",
        "None where there is none",
        "made anew",
        "Lets the workspace go",
        "Puts a waiting run aside",
        "brings a state along",
    ],
)
def test_a_phrase_that_is_hard_to_read_is_found(text: str) -> None:
    assert any(re.search(phrase, text) for phrase in PHRASES)
