"""The comment on the applies of one `/apply`: one for all its workspaces, as it reads while they finish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.domain.plans.plan import Counts
from bot.domain.reports.report import ApplyReport
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Approval
from tests.rendering.test_comments import AT, GITHUB, READY, TEXTS, URL, held, run

CHANGE = f"{URL}/changes/1"
DONE = "aws_s3_bucket.logs: Creating...\n\nApply complete! Resources: 1 added, 0 changed, 0 destroyed.\n"


def apply(name: str, status: RunStatus, stage: StageStatus, words: str, **more: Any) -> ApplyReport:
    error = more.get("errors", "").partition("\n")[0]
    of = run(
        status,
        plan_only=False,
        apply_status=stage,
        counts=Counts(1, 0, 0),
        approval=Approval("grace", "digest", "run-1", AT),
        error=error,
    )
    workspace = replace(READY.workspace, name=name)
    tail = more.pop("tail", "")
    return ApplyReport(workspace, of, f"{URL}/runs/run-{name}", tail, headline=words, **more)


def applied(name: str, **more: str) -> ApplyReport:
    return apply(name, RunStatus.APPLIED, StageStatus.FINISHED, "Applied", **{"tail": DONE, **more})


def failed(name: str, error: str = "Error: the bucket is not empty") -> ApplyReport:
    return apply(name, RunStatus.ERRORED, StageStatus.ERRORED, "Apply failed", errors=error, tail="no\n")


def applying(name: str) -> ApplyReport:
    return apply(name, RunStatus.APPLYING, StageStatus.RUNNING, "Applying, confirmed by grace")


def told(*reports: ApplyReport, limit: int = GITHUB) -> str:
    text = TEXTS.applies_comment(reports, CHANGE, limit)
    assert len(text) <= limit
    return text


def test_while_some_are_in_progress() -> None:
    held("applies_in_progress", told(applied("app"), applying("db"), failed("net"), applying("web")))


def test_once_all_have_ended() -> None:
    held("applies_ended", told(applied("app"), applied("db"), applied("net")))


def test_one_alone_reads_as_it_always_did() -> None:
    text = told(applied("app"))
    assert text.startswith("### ✅ Applied app\n\n`+1 ~0 -0` · approved by `grace`")
    assert "Workspace |" not in text


def test_later_applies_outdate_it_part_by_part() -> None:
    later = f"{URL}/runs/run-9"
    text = told(applied("app"), replace(failed("net"), superseded_by=later))
    assert f"~~Apply failed~~ outdated: see [a later apply]({later})" in text
    assert "not empty" not in text and "/plan net" not in text
    whole = told(*(replace(applied(name), superseded_by=later) for name in "ab"))
    assert whole.startswith("~~✅ 2 workspaces applied~~ Outdated")


def test_of_a_hundred_the_failures_come_first_and_the_output_goes_first() -> None:
    reports = [replace(applied(f"w{n:03}"), output_tail="line of output\n" * 60 + DONE) for n in range(97)]
    bad = [failed(f"w{n:03}", f"Error: number {n}\n\nDetails of it") for n in (97, 98)]
    text = told(*reports, *bad, failed("w099", "Error: number 98\n\nDetails of it"))
    assert "### ❌ 3 workspaces failed, 97 applied" in text
    assert "Error: number 97\n\nDetails of it" in text and "**w098, w099** failed" in text
    assert text.index("Error: number 97") < text.index("<details>")
    assert text.count("| ✅ Applied |") == 97
    assert "/plan w097\n/plan w098\n/plan w099\n" in text
    short = told(*reports, *bad, limit=3000)
    assert "Error: number 97" in short and "<details>" not in short


def test_a_failure_that_may_go_on_suggests_a_retry() -> None:
    going_on = replace(failed("net"), may_go_on=True)
    assert "/retry net\n" in told(going_on)
    assert "/retry net\n/plan app\n" in told(going_on, failed("app"))
