"""A change's comment at any size: what matters most is there, and what is not there is named."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.reports.report import ChangeReport, ChangeText, WorkspaceSection
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from tests.rendering.test_comments import GITHUB, TEXTS, URL, held, run, section

ERROR = "Error: Failed to query available provider packages\n\nCould not reach the registry."


def planned(number: int, *, gone: int = 0, updates: int = 3, lines: int = 30) -> WorkspaceSection:
    name = f"ws-{number:03d}"
    resources = (
        *(ResourceChange(f"aws_s3_bucket.b{number}[{n}]", ("delete",)) for n in range(gone)),
        *(ResourceChange(f"aws_instance.i{number}[{n}]", ("update",)) for n in range(updates)),
    )
    made = replace(run(RunStatus.PLANNED_AND_FINISHED, has_changes=True), id=f"run-{name}")
    return section(
        name, made, "Planned", f"/apply {name} 1a2b3c4",
        resources=resources, counts=Counts(0, updates, gone), code="1a2b3c4",
        plan_text="\n".join(f"!     ~ attribute_{n} = {number}" for n in range(lines)),
    )  # fmt: skip


def failed(number: int, error: str = ERROR) -> WorkspaceSection:
    name = f"bad-{number:03d}"
    of = run(RunStatus.ERRORED, plan_status=StageStatus.ERRORED, error=error.partition("\n")[0])
    return section(name, of, "Plan failed", f"/plan {name}", errors=error)


def told(*sections: WorkspaceSection, limit: int = GITHUB) -> ChangeText:
    found = TEXTS.change_comment(ChangeReport("0123456789", sections, url=f"{URL}/changes/1"), limit)
    assert len(found.text) <= limit
    return found


def hints(text: str) -> str:
    return text.rpartition("</details>")[2]


def test_the_comment_of_many_workspaces() -> None:
    sections = [planned(n, gone=3 if n == 7 else 0, lines=4) for n in range(8)]
    sections += [planned(9, lines=4000), failed(1), failed(2), failed(3, "Error: Other")]
    found = told(*sections, limit=9000)
    held("change_many", found.text)
    assert set(found.whole) == {f"run-ws-00{n}" for n in range(8)}


@pytest.mark.parametrize("number", [25, 100, 600])
def test_destroys_are_named_first_and_never_cut_by_updates(number: int) -> None:
    sections = [planned(n, updates=40, lines=200) for n in range(number)]
    sections[number // 2] = planned(number // 2, gone=60, updates=40, lines=200)
    text = told(*sections).text
    assert "**60 to destroy**" in text.split("\n|")[0]
    for n in range(60):
        assert f"`aws_s3_bucket.b{number // 2}[{n}]`" in text
    assert text.index("b[59]".replace("b", f"b{number // 2}", 1)) < text.index("| Workspace |")
    assert f"[ws-{number // 2:03d}]" in text, "it is in the table"


def test_one_plan_names_every_object_that_it_destroys() -> None:
    text = told(planned(1, gone=60, updates=60)).text
    assert text.count("- `aws_s3_bucket.b1[") == 60
    assert text.count("- `aws_instance.i1[") == 25
    assert "- … and 35 more" in text


@pytest.mark.parametrize("number", [25, 100, 600])
def test_all_failures_are_listed_and_equal_errors_told_once(number: int) -> None:
    others = [failed(1000 + n, f"Error: number {n}") for n in range(5)]
    text = told(*(planned(n) for n in range(number)), *(failed(n) for n in range(number)), *others).text
    assert text.count("Could not reach the registry.") == 1
    for n in range(number):
        assert f"bad-{n:03d}" in text
    for n in range(5):
        assert f"Error: number {n}\n" in text


def test_errors_without_room_are_named() -> None:
    text = told(*(failed(n, f"Error: {n} {'why ' * 200}") for n in range(80)), limit=6000).text
    named = set(re.findall(r"bad-\d+", text.replace("/plan bad", "")))
    assert len(named) == 80
    assert "failed. There is no room for the errors here, see [all runs]" in text


@pytest.mark.parametrize("number", [25, 100, 600])
def test_apply_is_offered_only_for_plans_that_are_shown_whole(number: int) -> None:
    found = told(*(planned(n, lines=150) for n in range(number)))
    hidden = number - len(found.whole)
    assert 0 < len(found.whole) < number
    assert "To apply the plans of this comment" not in found.text
    said = hints(found.text)
    assert f"To apply the {len(found.whole)} plans that are shown here whole, of **" in said
    for run_id in found.whole:
        assert f"**{run_id.removeprefix('run-').replace('-', chr(92) + '-')}**" in said.replace(
            "**ws-", "**ws\\-"
        )
    assert f"{hidden} plans do not fit here, and `/apply` does not cover them." in said
    assert f"[all runs]({URL}/changes/1)" in said
    assert len(re.findall(r"^/apply ws-\d+ 1a2b3c4$", said, re.MULTILINE)) == min(hidden, 10)


def test_what_is_told_as_whole_is_whole() -> None:
    sections = [planned(n, lines=20 * n + 1) for n in range(60)]
    found = told(*sections)
    for each in sections:
        assert (each.run.id in found.whole) == (f"\n{each.plan_text}\n" in found.text)


def test_one_plan_that_does_not_fit_has_to_be_named() -> None:
    found = told(planned(1, lines=9000))
    assert found.whole == ()
    assert "The plan of **ws-001** does not fit here. Look at it on [its page]" in found.text
    assert "\n/apply ws-001 1a2b3c4\n" in found.text


def test_plans_that_destroy_are_shown_before_others() -> None:
    sections = [planned(n, gone=n == 399, lines=100) for n in range(400)]
    assert "run-ws-399" in told(*sections).whole


def test_notes_that_are_left_out_are_counted() -> None:
    one = replace(planned(1), notes=tuple(f"note {n}" for n in range(9)))
    text = told(one).text
    assert "note 4" in text
    assert "note 5" not in text
    assert "4 more notes, see [the run]" in text
