"""A change's comment at any size: what matters most is there, and what is not there is named."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
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
    assert len(re.findall(r"`/apply ws-\d+ 1a2b3c4`", said)) == min(hidden, 10)


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


@pytest.mark.parametrize(("number", "which"), [(1, "it"), (3, "one")])
def test_plans_that_do_not_fit_may_need_an_approval_first(number: int, which: str) -> None:
    found = told(*(replace(planned(n, lines=9000), unapproved=True) for n in range(number)))
    assert f"To apply {which} once the change is approved, " in found.text


def test_a_long_command_is_never_cut() -> None:
    command = " ".join(["/apply", *(f"workspace-{n:03d} 1a2b3c4" for n in range(20))])
    text = told(replace(planned(1), next_step=command)).text
    assert f"\n{command}\n" in text
    assert f"`{command}` |" in text


def test_plans_that_destroy_are_shown_before_others() -> None:
    sections = [planned(n, gone=n == 399, lines=100) for n in range(400)]
    assert "run-ws-399" in told(*sections).whole


def test_notes_that_are_left_out_are_counted() -> None:
    one = replace(planned(1), notes=tuple(f"note {n}" for n in range(9)))
    text = told(one).text
    assert "note 4" in text
    assert "note 5" not in text
    assert "4 more notes, see [the run]" in text


def alike(
    name: str, *, gone: int = 0, like: str = "same", lines: int = 20, **more: object
) -> WorkspaceSection:
    resources = (
        *(ResourceChange(f"aws_s3_bucket.old[{n}]", ("delete",)) for n in range(gone)),
        *(ResourceChange(f"aws_s3_bucket.new[{n}]", ("create",)) for n in range(8)),
    )
    made = replace(
        run(RunStatus.PLANNED_AND_FINISHED, has_changes=True), id=f"run-{name}", engine_version="1.15.5"
    )
    code = f"{sum(map(ord, name)):07x}"
    part = section(
        name, made, "Planned", f"/apply {name} {code}", resources=resources, counts=Counts(8, 0, gone),
        code=code, plan_text="\n".join(f'+   resource "aws_s3_bucket" "{name}-{n}" {{' for n in range(lines)),
        likeness=like,
    )  # fmt: skip
    return replace(part, workspace=replace(part.workspace, working_directory=f"envs/{name}"), **more)  # type: ignore[arg-type]


def unchanged(name: str) -> WorkspaceSection:
    return section(
        name, run(RunStatus.PLANNED_AND_FINISHED, has_changes=False), "No changes", counts=Counts()
    )


FLEET = (
    *(alike(f"app-{where}") for where in ("ca", "dev", "eu", "jp", "prod")),
    alike("db-prod", gone=2, like="others"),
    alike("db-dev", gone=2, like="others"),
    *(unchanged(name) for name in ("dns", "iam", "logs")),
)


def test_the_comment_of_workspaces_that_are_alike() -> None:
    found = told(*FLEET)
    held("change_alike", found.text)
    assert set(found.whole) == {each.run.id for each in FLEET if each.run.has_changes}


def test_each_member_of_a_group_is_named_linked_and_has_its_command() -> None:
    text = told(*FLEET).text
    for each in FLEET[:7]:
        assert f"[{each.workspace.name.replace('-', '-')}]({each.run_url})" in text.replace("\\-", "-")
        assert f"`{each.next_step}`" in text
    assert text.count("```diff") == 2


def test_a_group_names_what_it_destroys_in_each_workspace() -> None:
    text = told(*FLEET).text
    for name in ("db-prod", "db-dev"):
        for n in range(2):
            assert f"`aws_s3_bucket.old[{n}]` in {name}" in text.replace("\\-", "-")


@pytest.mark.parametrize(
    "other",
    [
        {"likeness": ""},
        {"likeness": "other"},
        {"plan_text": ""},
        {"headline": "Planned, outdated: the state has moved since"},
        {"next_step": "/plan app-z"},
        {"counts": Counts(8, 1, 0)},
        {"notes": ("change 2 plans to change a.b too",)},
        {"warnings": "Warning: Argument is deprecated"},
        {"requires": ("approved",)},
        {"unapproved": True},
        {"resources": (ResourceChange("aws_s3_bucket.new", ("delete",)),)},
        {"policies": (PolicyCheck("guard", "v1", "tags", EnforcementLevel.HARD, PolicyOutcome.FAILED),)},
        {"run": replace(alike("app-z").run, engine_version="1.9.0")},
        {"run": replace(alike("app-z").run, delta="+ a.b")},
        {"run": replace(alike("app-z").run, status=RunStatus.APPLIED)},
        {"run": replace(alike("app-z").run, error="Error: x")},
    ],
)
def test_what_differs_in_anything_is_not_in_a_group(other: dict[str, object]) -> None:
    text = told(alike("app-a"), alike("app-b"), replace(alike("app-z"), **other)).text  # type: ignore[arg-type]
    assert "It is the same for app-b" in text.replace("\\-", "-")
    assert len(re.findall(r"^\| \[", text, re.MULTILINE)) == 2


def test_members_that_are_not_named_do_not_count_as_shown() -> None:
    sections = [alike(f"app-{n:03d}") for n in range(600)]
    found = told(*sections, limit=20_000)
    assert 0 < len(found.whole) < 600
    for each in sections:
        assert (each.run.id in found.whole) == (f"{each.next_step}`" in found.text.partition("</details>")[0])
    assert f"{600 - len(found.whole)} plans do not fit here, and `/apply` does not cover them." in found.text


def test_a_group_whose_plan_is_cut_is_not_shown() -> None:
    found = told(*(alike(f"app-{n}", lines=4000) for n in range(5)))
    assert found.whole == ()
    assert "5 plans do not fit here" in found.text


@pytest.mark.parametrize("limit", [60_000, 9_000, 5_000, 2_500])
def test_the_table_says_where_the_commands_of_a_group_are(limit: int) -> None:
    """Where the plans have no room, there is nothing beside them."""
    text = told(
        *FLEET, *(alike(f"x-{n}", lines=900, like=f"x{n}", gone=3) for n in range(9)), limit=limit
    ).text
    table = next(line for line in text.splitlines() if "[app\\-ca]" in line or "[app-ca]" in line)
    steps = [each.next_step for each in FLEET[:5]]
    if "beside the plan" in table:
        assert f"For one of them: {', '.join(f'`{step}`' for step in steps)}" in text
    else:
        assert "For one of them" not in text
        assert "<br>".join(f"`{step}`" for step in steps[:3]) + "<br>and 2 more" in table


def test_policies_that_say_the_same_of_many_are_told_once() -> None:
    passed = PolicyCheck("guard", "v1", "tags", EnforcementLevel.HARD, PolicyOutcome.PASSED)
    text = told(*(replace(planned(n), policies=(passed,)) for n in range(4))).text
    assert text.count("policies: 1 passed") == 1
    assert "**ws-000, ws-001, ws-002, ws-003** policies: 1 passed" in text.replace("\\-", "-")


def test_the_table_begins_with_what_needs_attention() -> None:
    replaced = replace(planned(3), resources=(ResourceChange("a.b", ("delete", "create")),))
    waiting = section("waiting", run(RunStatus.PENDING), "Waits")
    working = section("working", run(RunStatus.PLANNING), "Planning")
    done = section("done", run(RunStatus.APPLIED, plan_only=False), "Applied", counts=Counts(1))
    stopped = section("stopped", run(RunStatus.POLICY_SOFT_FAILED, has_changes=True), "Policies failed")
    sections = (
        unchanged("dns"),
        done,
        waiting,
        working,
        planned(1),
        replaced,
        planned(2, gone=1),
        stopped,
        failed(1),
    )
    text = told(*sections).text
    assert re.findall(r"^\| \[([^]]+)\]", text, re.MULTILINE) == [
        "bad-001", "stopped", "ws-002", "ws-003", "ws-001", "working", "waiting", "done",
    ]  # fmt: skip
    assert "\n✅ No changes: [dns]" in text
