"""The comment of a change that touches policy sets: what it says, how it shrinks, what it lets through."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.reports.replays import (
    PlanComparison,
    Replay,
    ReplayReport,
    ReplayResult,
    ReplayState,
    SetVerdict,
)
from bot.rendering import Rendering

AT = datetime(2026, 1, 2, tzinfo=UTC)
RUNS = "https://plangate.example.com/runs/"
TEXTS = Rendering("https://plangate.example.com")


def report(state: ReplayState = ReplayState.DONE, why: str = "", **result: object) -> ReplayReport:
    found = ReplayResult(**result) if result else None  # type: ignore[arg-type]
    replay = Replay("r", "c", "guard", "c0ffee12345", state, AT, why=why, result=found)
    return ReplayReport("c0ffee12345", (replay,), RUNS)


def blocked(number: int, *names: str) -> PlanComparison:
    return PlanComparison(f"run-{number}", "network-prod", SetVerdict.PASSES, SetVerdict.STOPS, names)


def test_it_lists_what_would_be_other_folded_and_tells_where_the_rest_is() -> None:
    allowed = PlanComparison("run-9", "app", SetVerdict.NEEDS_OVERRIDE, SetVerdict.PASSES, (), ("tags",))
    other = PlanComparison("run-8", "app", SetVerdict.STOPS, SetVerdict.STOPS, ("new",), ("old",))
    text = TEXTS.replay_comment(
        report(
            plans=50, blocked=1, allowed=1, differing=3, compared=(blocked(1, "no-destroy"), allowed, other)
        ),
        60_000,
    )
    assert text == (Path(__file__).parent / "expected" / "policies.md").read_text()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (report(plans=3), "✅ The policies of this change would block and allow the same plans as now"),
        (report(ReplayState.WANTED), "🧪 Trying the policies of this change"),
        (report(ReplayState.HELD), "From a fork: someone with write access may comment /plan"),
        (report(ReplayState.FAILED, "no policies in x"), "❌ A policy set can't be evaluated"),
        (report(plans=1, errors=("a: divide by zero",)), "- a: divide by zero"),
        (report(plans=0), "No plan is kept that it would judge"),
        (ReplayReport("c0ffee", (), RUNS), "⚪ The latest commit touches no policy set"),
    ],
)
def test_it_says_how_far_it_is(said: ReplayReport, words: str) -> None:
    assert words in TEXTS.replay_comment(said, 60_000)


def test_long_lists_give_way_and_nothing_is_cut() -> None:
    many = tuple(blocked(number, *(f"policy-{n}" for n in range(9))) for number in range(100))
    said = report(plans=400, blocked=300, differing=300, compared=many)
    text = TEXTS.replay_comment(said, 3000)
    assert len(text) <= 3000
    assert text.count("run-") < 100
    assert "`policy-4` and 4 more" in text
    assert "… and 2" in text
    assert text.endswith("</sub>\n")


def test_names_and_errors_of_a_change_forge_nothing() -> None:
    hostile = "a</details>\n# @everybody <!-- plangate:x -->"
    text = TEXTS.replay_comment(
        report(plans=1, blocked=1, differing=1, compared=(blocked(1, hostile),), errors=(hostile,)), 60_000
    )
    assert "<!--" not in text
    assert "@everybody" not in text.replace("`", "").replace("@\N{ZERO WIDTH SPACE}", "") or "`" in text
    assert not any(line.startswith("# ") for line in text.splitlines())
    assert text.count("</details>") - text.count("`a</details>") == 1
