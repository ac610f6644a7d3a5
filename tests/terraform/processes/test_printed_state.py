"""A state that Terraform prints is taken out of its output, in whatever pieces it comes (promise 6)."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.runs.masking import Masker
from bot.terraform.processes.printed_state import NOTE, PrintedState
from bot.terraform.processes.transcript import Transcript

STATE = json.dumps(
    {"version": 4, "terraform_version": "1.15.5", "serial": 3, "outputs": {"password": {"value": "hunter2"}}},
    indent=2,
)
BEFORE, AFTER = "terraform_data.one: Creating...\n\n", "\nError: Failed to save state\n"


def shown(pieces: list[str]) -> tuple[str, str]:
    printed = PrintedState()
    text = "".join(printed.feed(piece) for piece in pieces) + printed.end()
    return text, printed.found


@given(st.lists(st.integers(0, 400), max_size=30))
def test_a_state_is_taken_out_whole_wherever_its_pieces_end(cuts: list[int]) -> None:
    text = f"{BEFORE}{STATE}\n{AFTER}"
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert shown(pieces) == (f"{BEFORE}{NOTE}{AFTER}", STATE)


@given(st.integers(60, len(STATE) - 1), st.integers(1, 50))
def test_nothing_is_shown_of_a_state_that_breaks_off(length: int, step: int) -> None:
    text = BEFORE + STATE[:length]
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    assert shown(pieces) == (BEFORE + NOTE, "")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{\n",
        '{\n  "version": 4',
        '{\n  "version": 3,\n  "terraform_version": "x"\n}\n',
        f'  {STATE.splitlines()[0]}\n  "version": 4,\n  "terraform_version": "in the middle of a line"',
        f"one (local-exec): {STATE}",
        "a\n{\nb\n}\n",
    ],
)
def test_other_output_is_left_as_it_is(text: str) -> None:
    assert shown([text]) == (text, "")
    assert shown(list(text)) == (text, "")


def test_a_transcript_neither_shows_nor_keeps_it_but_hands_it_over() -> None:
    out: list[str] = []
    said = Transcript(Masker(()), out.append)
    said.heading("$ terraform apply")
    said.feed(f"{BEFORE}{STATE}\n{AFTER}".encode())
    said.end()
    assert "hunter2" not in "".join(out) + said.everything() + said.error_words()
    assert said.error_words() == "Error: Failed to save state"
    assert json.loads(said.printed_state) == json.loads(STATE)


def test_a_state_that_begins_in_skipped_output_is_not_shown() -> None:
    out: list[str] = []
    said = Transcript(Masker(()), out.append)
    said.skip(f"{BEFORE}{STATE[:80]}".encode())
    said.feed(f"{STATE[80:]}\n{AFTER}".encode())
    said.end()
    assert "".join(out) == AFTER
