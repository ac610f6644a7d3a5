"""Two texts held against each other, line by line."""

from __future__ import annotations

from bot.domain.plans.line_diff import Side, line_diff


def told(before: str | None, after: str | None) -> list[str]:
    return [f"{line.side.value}{line.text}" for line in line_diff(before, after)]


def test_what_differs_stands_with_some_lines_around_it() -> None:
    before = "\n".join(f"line {number}" for number in range(20))
    after = before.replace("line 10\n", "line ten\nand more\n")
    assert told(before, after) == [
        "…7 unchanged lines", " line 7", " line 8", " line 9", "-line 10", "+line ten", "+and more",
        " line 11", " line 12", " line 13", "…6 unchanged lines",
    ]  # fmt: skip


def test_a_text_that_was_not_there_or_is_no_more_is_all_of_one_side() -> None:
    assert told(None, "a\nb") == ["+a", "+b"]
    assert told("a\nb", None) == ["-a", "-b"]
    assert told("a\nb", "a\nb\nc") == [" a", " b", "+c"]


def test_very_long_texts_are_neither_compared_nor_shown_in_full() -> None:
    before, after = ("\n".join(f"{side} {number}" for number in range(2000)) for side in "ab")
    found = line_diff(before, after)
    assert len(found) == 482
    assert [line.text for line in found if line.side is Side.SKIPPED] == ["1760 more lines"] * 2
    assert {line.side for line in found} >= {Side.BEFORE, Side.AFTER}
    assert told(None, after)[-1] == "…1501 more lines"


def test_what_differs_at_the_end_of_a_very_long_text_is_shown() -> None:
    long = "\n".join(f"line {number}" for number in range(5000))
    assert told(f"{long}\nold\nend", f"{long}\nnew\nend") == [
        "…4997 unchanged lines", " line 4997", " line 4998", " line 4999", "-old", "+new", " end",
    ]  # fmt: skip
