"""A status's description fits into one line of so many characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.forges.descriptions import fitted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("short", "short"),
        ("ten of it.", "ten of it."),
        ("two\n\n lines", "two lines"),
        ("one two three", "one two…"),
        ("one two th", "one two th"),
        ("ninechars more", "ninechars…"),
        ("unbreakable", "unbreakab…"),
    ],
)
def test_cut_after_a_word(text: str, expected: str) -> None:
    assert fitted(text, 10) == expected


@settings(deadline=None)
@given(text=st.text(), limit=st.integers(2, 40))
def test_never_too_long_and_always_its_beginning(text: str, limit: int) -> None:
    shown, line = fitted(text, limit), " ".join(text.split())
    assert len(shown) <= limit
    assert shown == line or line.startswith(shown.removesuffix("…"))
    assert "\n" not in shown
