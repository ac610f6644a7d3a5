"""Whole comments, as people read them: compared with the files in `expected/`.

To write them anew, and then to read the diff: `REWRITE_EXPECTED=1 pytest tests/rendering`.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from bot.domain.changes.requirements import Check
from bot.domain.changes.why import WhyReport, WhySection
from bot.domain.commands.grammar import parse_commands
from bot.domain.events import RepoRef
from bot.domain.plan_diff import render
from bot.domain.plans.at_apply import AtApply, RunsAtApply
from bot.domain.plans.delta import AttributeDelta, DeltaKind, DeltaRow
from bot.domain.plans.diagnostics import errors_text
from bot.domain.plans.forecast import Deed, Forecast
from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.reports.report import ApplyReport, ChangeReport, WorkspaceSection
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.merge_result import MergeResult
from bot.domain.runs.run import Approval, Run, RunSource
from bot.domain.terms import PULL_REQUESTS
from bot.domain.workspaces.workspace import Workspace
from bot.rendering import Rendering
from bot.rendering.section_states import SectionState, section_state
from bot.services.forecasts.notes import ForecastNote, said_of

URL = "https://plangate.example.com"
GITHUB = 65_536
AT = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
PAYLOADS = Path(__file__).parents[1] / "payloads" / "terraform"
EXPECTED = Path(__file__).parent / "expected"
TEXTS = Rendering(URL)


def change(address: str, before: object, after: object, *actions: str, **more: object) -> dict[str, object]:
    kind, _, name = address.partition(".")
    values = {"actions": list(actions), "before": before, "after": after, **more}
    return {"address": address, "mode": "managed", "type": kind, "name": name, "change": values}


PLAN = render(
    {
        "format_version": "1.2",
        "resource_changes": [
            change(
                "aws_db_instance.main",
                {"engine_version": "14", "id": "db-1", "name": "main"},
                {"engine_version": "16", "name": "main"},
                *("delete", "create"),
                after_unknown={"id": True},
                replace_paths=[["engine_version"]],
            ),
            change("aws_s3_bucket.logs", {"bucket": "acme-logs"}, None, "delete"),
            change(
                "aws_vpc.main",
                None,
                {"cidr_block": "10.0.0.0/16", "rules": "---\n- allow: 443\n+ deny: 22\n"},
                "create",
            ),
        ],
    }
).diff()
AT_APPLY = (
    RunsAtApply(AtApply.PROVISIONER, "aws_db_instance.main", "local-exec"),
    RunsAtApply(AtApply.DATA, "data.aws_subnets.all", "read_because_dependency_pending"),
)
RESOURCES = (
    ResourceChange("aws_db_instance.main", ("delete", "create")),
    ResourceChange("aws_s3_bucket.logs", ("delete",)),
    ResourceChange("aws_vpc.main", ("create",)),
)
ERROR = errors_text((PAYLOADS / "init_errors_1.11.txt").read_text())
OUTPUT = """aws_vpc.main: Creating...
aws_vpc.main: Creation complete after 2s [id=vpc-1]

Apply complete! Resources: 2 added, 0 changed, 2 destroyed.
"""


def run(status: RunStatus, **changes: object) -> Run:
    plain = Run(
        id="run-CKuwsxMGgMd2X7zS",
        workspace_id="ws-1",
        status=status,
        source=RunSource.CHANGE,
        plan_only=True,
        commit="0123456789abcdef",
        branch="main",
        message="Grow the network",
        created_by="ada",
        created_at=AT,
        status_at=AT,
        change_number=7,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def section(name: str, of: Run, headline: str = "", step: str = "", **more: object) -> WorkspaceSection:
    workspace = Workspace("ws-1", name, RepoRef("github", "acme/infra"))
    plain = WorkspaceSection(workspace, of, headline, step, f"{URL}/runs/{name}")
    return replace(plain, **more)  # type: ignore[arg-type]


READY = section(
    "network-prod",
    run(RunStatus.PLANNED_AND_FINISHED, has_changes=True),
    "Ready to apply",
    "/apply network-prod",
    resources=RESOURCES,
    counts=Counts(2, 0, 2),
    plan_text=PLAN,
    at_apply=AT_APPLY,
)
SAME = section("dns", run(RunStatus.PLANNED_AND_FINISHED, has_changes=False), "No changes", counts=Counts())
FAILED = section(
    "storage",
    run(RunStatus.ERRORED, error="Error: Unsupported argument — on main.tf line 3"),
    "Plan failed",
    "push a fix, or comment `/plan storage`",
    errors=ERROR,
)
WAITING = section("cache", run(RunStatus.PENDING), "Waits for its turn")
PLANNING = section("queue", run(RunStatus.PLANNING), "Planning")
STOPPED = section(
    "iam",
    run(RunStatus.PLANNED, plan_only=False, delta="+ aws_iam_policy.x", has_changes=True),
    "Changed since it was approved",
    "/apply iam",
    resources=(
        ResourceChange("aws_iam_policy.x", ("create",)),
        ResourceChange("aws_iam_role.new", ("no-op",), previous_address="aws_iam_role.old"),
        ResourceChange("aws_iam_user.ci", ("update",), importing=True),
        ResourceChange("aws_iam_user.gone", ("forget",)),
    ),
    counts=Counts(1, 1, 0, 1),
    delta=(
        DeltaRow(DeltaKind.ADDED, "+", "aws_iam_policy.x"),
        DeltaRow(
            DeltaKind.ALTERED,
            "~",
            "aws_iam_user.ci",
            (AttributeDelta("path", '"/"', '"/ci/"'), AttributeDelta("password")),
        ),
    ),
)
APPLIED = section("edge", run(RunStatus.APPLIED, plan_only=False), "Applied", counts=Counts(1, 0, 0))


def ordered(each: WorkspaceSection, name: str, *depends_on: str, step: str = "") -> WorkspaceSection:
    workspace = replace(each.workspace, id=f"ws-{name}", name=name, depends_on=depends_on)
    return replace(each, workspace=workspace, next_step=step, plan_text="", run_url=f"{URL}/runs/{name}")


SMALL = section("x", run(RunStatus.PLANNED_AND_FINISHED, has_changes=True), "Planned", counts=Counts(1, 0, 0))
HELD = section("x", run(RunStatus.PENDING, plan_only=False), "Waits for network, which failed")
FAILED_APPLY = section(
    "x", run(RunStatus.ERRORED, plan_only=False, apply_status=StageStatus.ERRORED), "Apply failed"
)
ORDER = (
    ordered(SMALL, "app", "cluster", "dns", step="/apply network 1111111 cluster 2222222 app 4444444"),
    ordered(SMALL, "cluster", "network", step="/apply network 1111111 cluster 2222222"),
    ordered(SMALL, "dns", step="/apply dns 3333333"),
    ordered(SMALL, "network", step="/apply network 1111111"),
    ordered(SAME, "alone"),
)
CONFLICT = MergeResult("main", "1a2b3c4d", "", conflicts=("net/a.tf",))
CHANGES = {
    "one_ready": ChangeReport("0123456789abcdef", (READY,)),
    "mixed": ChangeReport("0123456789abcdef", (READY, SAME, FAILED, WAITING, PLANNING, STOPPED, APPLIED)),
    "nothing_to_do": ChangeReport("0123456789abcdef", (SAME,)),
    "not_merged": ChangeReport(
        "0123456789abcdef",
        (APPLIED,),
        merging="Applied, but not merged yet: At least 1 approving review is required. It is tried again",
    ),
    "none_affected": ChangeReport("0123456789abcdef", (), "`network-prod` watches network/, modules/."),
    "on_top": ChangeReport("0123456789abcdef", (READY,), top="main at 1a2b3c4"),
    "in_order": ChangeReport("0123456789abcdef", ORDER),
    "held": ChangeReport(
        "0123456789abcdef",
        (ordered(HELD, "app", "network"), ordered(FAILED_APPLY, "network", step="/plan network")),
    ),
    "conflict": ChangeReport(
        "0123456789abcdef", (), conflict=CONFLICT.why_conflicting, conflicts=("net/a.tf",)
    ),
    "conflict_of_a_planned_one": ChangeReport(
        "0123456789abcdef",
        (replace(READY, headline=f"Planned, outdated: {CONFLICT.why_conflicting}", next_step=""),),
        conflict=CONFLICT.why_conflicting,
        conflicts=("net/a.tf", "`@ben` <b>.tf", *(f"app/{number}.tf" for number in range(30))),
        top="main at 1a2b3c4",
    ),
}
OUTCOME = ApplyReport(
    READY.workspace,
    run(
        RunStatus.APPLIED,
        plan_only=False,
        counts=Counts(2, 0, 2),
        approval=Approval("grace", "digest", "run-1", AT),
    ),
    f"{URL}/runs/run-1",
    OUTPUT,
)
FAILURE = "Error: the bucket is not empty"
OUTCOMES = {
    "applied": OUTCOME,
    "applied_by_itself": replace(OUTCOME, run=replace(OUTCOME.run, approval=None), output_tail=""),
    "apply_failed": replace(
        OUTCOME,
        run=replace(OUTCOME.run, status=RunStatus.ERRORED, error=FAILURE, confirmed_by="alan"),
        output_tail="aws_s3_bucket.logs: Destroying...\n",
    ),
    "apply_canceled": replace(
        OUTCOME,
        run=replace(OUTCOME.run, status=RunStatus.CANCELED, cancel_requested_by="alan"),
        output_tail="Interrupt received.\n",
    ),
}


OUTCOMES["superseded"] = replace(OUTCOMES["apply_failed"], superseded_by=f"{URL}/runs/run-9")
CHANGES["drift_and_warnings"] = ChangeReport(
    "0123456789",
    (
        replace(
            READY,
            notes=("the state is not kept in Plangate, but by the configuration's own backend: `s3`",),
            drift=(
                ResourceChange("aws_s3_bucket.logs", ("update",)),
                ResourceChange('aws_s3_bucket.old["a|b"]', ("delete",)),
            ),
            warnings="Warning: Argument is deprecated\n\n  with aws_s3_bucket.logs,\n\nUse acl.",
        ),
    ),
)


CHANGES["forecasts"] = ChangeReport(
    "0123456789",
    (
        replace(
            READY,
            notes=(
                said_of(
                    [
                        ForecastNote(14, Forecast((Deed("replaces", "aws_db_instance.main"),))),
                        ForecastNote(15, Forecast(order=("aws_s3_bucket.logs",)), "app-prod"),
                        ForecastNote(16, Forecast()),
                        ForecastNote(17, Forecast(conflicts=("net/main.tf",))),
                        ForecastNote(18, Forecast()),
                    ],
                    PULL_REQUESTS,
                ),
            ),
        ),
    ),
)
PLACED = replace(
    READY,
    workspace=replace(READY.workspace, working_directory="envs/prod"),
    run=replace(READY.run, engine_version="1.15.5"),
)
CHANGES["unapproved"] = ChangeReport(
    "0123456789",
    (
        replace(
            PLACED,
            headline="Planned, needs an approval",
            requires=("approved:2", "mergeable"),
            unapproved=True,
        ),
        replace(
            STOPPED,
            headline="Changed since it was approved, needs an approval",
            requires=("approved:2", "mergeable"),
            unapproved=True,
        ),
        section(
            "web",
            READY.run,
            "Planned, not ready to be applied",
            "it is a draft: mark it as ready for review",
            counts=Counts(0, 1, 0),
            requires=("not_draft",),
        ),
    ),
    alerts=False,
    asked=("ben", "acme/platform"),
)


def told(report: ChangeReport, limit: int) -> str:
    return TEXTS.change_comment(report, limit).text


def held(name: str, text: str) -> None:
    path = EXPECTED / f"{name}.md"
    if os.environ.get("REWRITE_EXPECTED"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CHANGES)
def test_change_comments(name: str) -> None:
    held(f"change_{name}", told(CHANGES[name], GITHUB))


@pytest.mark.parametrize("name", OUTCOMES)
def test_apply_report_comments(name: str) -> None:
    held(f"outcome_{name}", TEXTS.applies_comment([OUTCOMES[name]], "", GITHUB))


def test_refusal_comment() -> None:
    lines = [
        ("network-prod", "the change is not approved: ask a person with write access for a review"),
        ("dns", "run `run-1` by grace is ahead"),
    ]
    held("refusal", TEXTS.refusal_comment("ada", lines, GITHUB))


CHECKS = (
    Check("permission", True, "ada has write access"),
    Check(
        "approved", False, "nobody with write access, other than its author, has approved the latest commit"
    ),
    Check("mergeable", True, ""),
)
WHY = WhyReport(
    "0123456789",
    (
        WhySection(
            "network-prod",
            True,
            (
                "runs on this change: network/main.tf is in network",
                "run-1: Plan: 2 to add, 0 to change, 0 to destroy",
                "can't be applied yet; it lacks: approved",
            ),
            CHECKS[1:],
            f"{URL}/runs/run-1",
        ),
        WhySection("dns", True, ("runs on this change: dns/a.tf is in dns", "nothing has run here yet")),
    ),
    (WhySection("app", False, ("does not run on this change: none of the changed files is in app/",)),),
    "Merged by itself once every workspace is applied; left: network-prod: Plan: 2 to add",
)


def test_refusal_with_a_table_of_requirements() -> None:
    held("refusal_requirements", TEXTS.refusal_comment("ada", [], GITHUB, [("network-prod", CHECKS)]))


def test_a_refusal_without_room_for_its_tables_says_how_many_there_are() -> None:
    tables = [(f"ws-{n}", (Check("approved", False, f"not {n}"), *CHECKS)) for n in range(20)]
    text = TEXTS.refusal_comment("ada", [("dns", "no")], 2000, tables)
    shown = text.count("is not ready to be applied:\n")
    assert 2 < shown < 20
    assert f"{20 - shown} more workspaces not ready to be applied" in text


def test_a_refusal_tells_a_reason_once_for_all_that_it_refuses() -> None:
    lines = [(f"ws-{n}", "the change is not approved") for n in range(40)]
    tables = [(f"ws-{n}", CHECKS) for n in range(40)]
    text = TEXTS.refusal_comment("ada", lines, GITHUB, tables)
    assert text.count("the change is not approved") == 1
    assert "- `ws-0`, `ws-1`, " in text
    assert "`ws-24` and 15 more: the change is not approved\n" in text
    assert text.count("| Requirement |") == 1
    assert "ws-24 and 15 more** are not ready to be applied:\n" in text.replace("\\-", "-")


def test_why_comment() -> None:
    held("why", TEXTS.why_comment(WHY, GITHUB))


def test_a_long_why_leaves_out_the_last_and_counts_them() -> None:
    many = tuple(replace(WHY.others[0], workspace=f"ws-{n}") for n in range(500))
    text = TEXTS.why_comment(replace(WHY, others=many), 6000)
    assert len(text) <= 6000
    shown = text.count("- **ws-")
    assert shown > 10
    assert f"… and {500 - shown} more workspaces" in text


def test_help_comment() -> None:
    held("help", TEXTS.help_comment(GITHUB))


def test_no_comment_of_ours_is_a_command() -> None:
    assert parse_commands(TEXTS.help_comment(GITHUB) + TEXTS.why_comment(WHY, GITHUB)) == ()
    for report in CHANGES.values():
        assert parse_commands(told(report, GITHUB)) == ()
    for outcome in OUTCOMES.values():
        for number in (1, 2):
            assert parse_commands(TEXTS.applies_comment([outcome] * number, "", GITHUB)) == ()


def test_every_template_is_held_to_an_expected_comment() -> None:
    templates = {path.stem for path in (Path(__file__).parents[2] / "templates/comments").glob("*.md")}
    assert templates == {"applies", "change", "help", "none", "outcome", "policies", "refusal", "why"} | {
        "conflict",
        "conflicting",
    }


def test_a_template_that_prints_raw_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "comments").mkdir()
    template = tmp_path / "comments" / "none.md"
    template.write_text("{{ 'raw' }} {{ sha }}")
    with pytest.raises(TypeError, match="prints raw text"):
        Rendering(URL, tmp_path).change_comment(CHANGES["none_affected"], GITHUB)
    template.write_text("{{ unknown }}")
    with pytest.raises((UndefinedError, TypeError)):
        Rendering(URL, tmp_path).change_comment(CHANGES["none_affected"], GITHUB)
    template.write_text("as of {{ sha }}")
    assert (
        Rendering(URL, tmp_path).change_comment(CHANGES["none_affected"], GITHUB).text == "as of `0123456`\n"
    )


def test_every_status_has_a_mood() -> None:
    states = {status: section_state(section("a", run(status, has_changes=True))) for status in RunStatus}
    assert states[RunStatus.ERRORED] is SectionState.FAILED
    assert states[RunStatus.POLICY_SOFT_FAILED] is SectionState.POLICY
    assert states[RunStatus.PLANNED] is SectionState.CHANGES
    assert states[RunStatus.APPLY_QUEUED] is SectionState.APPLYING
    assert {states[status] for status in RunStatus} == set(SectionState) - {
        SectionState.READY,
        SectionState.UNAPPROVED,
        SectionState.UNCHANGED,
    }


def test_one_ready_workspace_names_its_command_and_several_name_all() -> None:
    one = told(CHANGES["one_ready"], GITHUB)
    assert "```\n/apply network-prod\n```" in one
    assert "```\n/apply\n```" in told(CHANGES["mixed"], GITHUB)
    assert "comment:" not in told(CHANGES["nothing_to_do"], GITHUB)


def test_a_plan_after_one_that_does_not_fit_is_not_offered_with_the_shown_ones() -> None:
    small = replace(ORDER[0], workspace=replace(ORDER[0].workspace, depends_on=("network",)))
    shown = replace(
        small,
        run=replace(small.run, id="run-app"),
        plan_text="  + resource",
        next_step="/apply network 1111111 app 4444444",
    )
    said = told(ChangeReport("0123456789abcdef", (shown, ORDER[3])), GITHUB)
    assert "```\n/apply\n```" not in said
    assert "```\n/apply network 1111111\n```" in said


def test_commands_in_order_name_each_workspace_once() -> None:
    by_code = tuple(
        replace(each, workspace=replace(each.workspace, require=("plan_code",))) for each in ORDER
    )
    said = told(ChangeReport("0123456789abcdef", by_code), GITHUB)
    commands = "/apply network 1111111 cluster 2222222 app 4444444\n/apply dns 3333333"
    assert f"```\n{commands}\n```" in said


def test_what_changed_since_an_approval_is_told_only_while_it_is_asked_about() -> None:
    assert "The plan of **iam** is not the approved one" in told(ChangeReport("abc", (STOPPED,)), GITHUB)
    done = replace(STOPPED, run=replace(STOPPED.run, status=RunStatus.APPLIED))
    assert "approved" not in told(ChangeReport("abc", (done,)), GITHUB).replace(STOPPED.headline, "")


def test_the_summary_of_a_plan_says_how_many_are_replaced() -> None:
    text = told(CHANGES["one_ready"], GITHUB)
    assert "<summary><b>network-prod</b> · 2 to add, 2 to destroy (1 of them replaced)</summary>" in text


def test_a_failed_plan_is_told_once_and_open() -> None:
    failed = replace(
        FAILED, run=replace(FAILED.run, plan_status=StageStatus.ERRORED), errors="Error: Unsupported argument"
    )
    text = told(ChangeReport("abc", (failed,)), GITHUB)
    assert text.count("Unsupported argument") == 1
    assert "<details>" not in text


def test_what_the_table_of_policies_says_is_not_said_again_as_an_error() -> None:
    check = PolicyCheck("guard", "v1", "tags", EnforcementLevel.HARD, PolicyOutcome.FAILED, ("no tags",))
    stopped = section(
        "net",
        run(RunStatus.ERRORED, plan_status=StageStatus.FINISHED, error="hard-mandatory policy not passed"),
        "Policies failed",
        policies=(check,),
    )
    text = told(ChangeReport("abc", (stopped,)), GITHUB)
    assert "| ⛔ `guard/tags` | hard-mandatory | no tags |" in text
    assert "not passed" not in text


def test_a_big_plan_is_cut_before_a_small_one_and_says_so() -> None:
    big = replace(READY, plan_text="\n".join(f'+   resource "a" "r{n}" {{' for n in range(5000)))
    small = section(
        "small", READY.run, "Ready", "/apply small", resources=RESOURCES, counts=Counts(1), plan_text=PLAN
    )
    text = told(ChangeReport("abc", (big, small)), GITHUB)
    assert GITHUB * 0.99 < len(text) <= GITHUB
    assert "Plan: 2 to add, 0 to change, 2 to destroy." in text
    assert "more lines, [see the whole plan](https://plangate.example.com/runs/network-prod)." in text
    shown = text.count('+   resource "a" "r')
    assert f"… {5000 - shown} more lines" in text


def test_many_workspaces_are_summarised_with_failures_kept() -> None:
    many = tuple(replace(SAME, workspace=replace(SAME.workspace, name=f"ws-{n}")) for n in range(600))
    text = told(ChangeReport("abc", (*many, FAILED)), 4000)
    assert len(text) <= 4000
    assert text.startswith("### ❌ 1 workspace failed, 600 without changes\n")
    assert "| [storage](https://plangate.example.com/runs/storage) | ❌ Plan failed |" in text
    named = len(re.findall(r"\[ws\\?-\d+\]", text))
    assert named > 2
    assert f" and {600 - named} more, see [all runs](https://plangate.example.com)\n" in text


def test_a_long_output_keeps_its_end() -> None:
    tail = "\n".join(f"line {n}" for n in range(50_000))
    text = TEXTS.applies_comment([replace(OUTCOMES["apply_failed"], output_tail=tail)], "", GITHUB)
    assert len(text) <= GITHUB
    assert "line 49999\n```" in text
    assert "lines before this, see [the run]" in text


def test_a_long_refusal_counts_what_it_leaves_out() -> None:
    text = TEXTS.refusal_comment("ada", [(f"ws-{n}", f"no {n} " * 100) for n in range(100)], 3000)
    assert len(text) <= 3000
    shown = text.count("- `ws-")
    assert shown > 3
    assert f"- … and {100 - shown} more\n" in text


def test_one_command_has_a_block_and_the_others_are_in_sentences() -> None:
    held_up = section(
        "iam", run(RunStatus.POLICY_OVERRIDE, plan_only=False, has_changes=True), "Policies failed",
        "/override iam <reason>",
    )  # fmt: skip
    failed = replace(FAILED, next_step="/plan storage")
    text = told(ChangeReport("0123456789", (READY, held_up, failed)), GITHUB)
    assert text.count("\n```\n/") == 1
    assert "\n```\n/apply\n```\n" in text
    assert "with your reason, comment: `/override iam <reason>`\n" in text
    assert "| `/plan storage` |" in text
    alone = told(ChangeReport("0123456789", (held_up,)), GITHUB)
    assert "\n```\n/override iam <reason>\n```\n" in alone


def test_a_short_plan_is_open_and_a_long_one_folded() -> None:
    long = replace(READY, plan_text="\n".join(f'+   resource "a" "r{n}" {{' for n in range(31)))
    assert "<details open>\n<summary><b>network-prod</b>" in told(CHANGES["one_ready"], GITHUB)
    assert "<details>\n<summary><b>network-prod</b>" in told(ChangeReport("abc", (long,)), GITHUB)


def test_of_many_short_plans_the_first_are_open() -> None:
    many = [replace(READY, workspace=replace(READY.workspace, name=f"ws-{n}")) for n in range(5)]
    text = told(ChangeReport("abc", tuple(many)), GITHUB)
    assert (text.count("<details open>\n"), text.count("<summary><b>ws-")) == (2, 5)


def test_an_open_plan_has_no_list_of_what_the_warning_names() -> None:
    text = told(CHANGES["one_ready"], GITHUB)
    assert "**To destroy**" not in text
    assert text.index("`aws_s3_bucket.logs`") < text.index("<details open>")


def test_without_alerts_a_bold_word_warns() -> None:
    assert "[!" not in told(replace(CHANGES["conflict"], alerts=False), GITHUB)
    text = told(replace(CHANGES["conflict_of_a_planned_one"], alerts=False, edited="ada edited it"), GITHUB)
    assert "[!" not in text
    assert text.count("> ⚠️ **Warning:**\n> ") == 2
    assert text.count("> 🛑 **Caution:**\n> ada edited it") == 1


def test_nothing_is_ready_to_apply_that_people_have_to_approve() -> None:
    text = told(CHANGES["unapproved"], GITHUB)
    assert "ready to apply" not in text
    assert text.startswith("### 🟡 2 workspaces waiting for an approval, 1 with changes\n")
    assert "\nTo apply the plans of this comment once the change is approved, comment:\n" in text
