"""The README is short, and the sample thread in it is the bot's own text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from bot.domain.events import RepoRef
from bot.domain.plan_diff import render
from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.reports import headlines
from bot.domain.reports.report import ApplyReport, ChangeReport, WorkspaceSection
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.rendering import Rendering
from tests.support.docs import README

AT = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
TEXTS = Rendering("https://plangate.example.com")


def sample_change(kind: str, name: str, action: str, before: object, after: object) -> dict[str, object]:
    return {
        "address": f"{kind}.{name}",
        "mode": "managed",
        "type": kind,
        "name": name,
        "change": {"actions": [action], "before": before, "after": after},
    }


SUBNET = {"availability_zone": "eu-central-1b", "cidr_block": "10.20.1.0/24", "vpc_id": "vpc-0a1b2c"}
VPC = {"enable_dns_hostnames": False, "id": "vpc-0a1b2c"}
PLAN = render(
    {
        "format_version": "1.2",
        "resource_changes": [
            sample_change("aws_subnet", "b", "create", None, SUBNET),
            sample_change("aws_vpc", "main", "update", VPC, {**VPC, "enable_dns_hostnames": True}),
        ],
    }
).diff()
APPLY = """
aws_vpc.main: Modifying... [id=vpc-0a1b2c]
aws_vpc.main: Modifications complete after 2s [id=vpc-0a1b2c]
aws_subnet.b: Creating...
aws_subnet.b: Creation complete after 1s [id=subnet-3d4e5f]

Apply complete! Resources: 1 added, 1 changed, 0 destroyed.
"""


def sample_section(name: str, counts: Counts, plan: str, *resources: ResourceChange) -> WorkspaceSection:
    run = Run(
        id=f"run-{name}",
        workspace_id=f"ws-{name}",
        status=RunStatus.PLANNED_AND_FINISHED,
        source=RunSource.CHANGE,
        plan_only=True,
        commit="1b77cbb5" * 5,
        branch="two-zones",
        message="A second zone",
        created_by="ana",
        created_at=AT,
        status_at=AT,
        has_changes=bool(counts),
        counts=counts,
    )
    return WorkspaceSection(
        workspace=Workspace(f"ws-{name}", name, RepoRef("github", "acme/infra")),
        run=run,
        headline=headlines.state_words(run),
        next_step=f"/apply {name} 3f9a2c1" if counts else "",
        code="3f9a2c1" if counts else "",
        run_url=f"https://plangate.example.com/runs/{run.id}",
        resources=resources,
        counts=counts,
        plan_text=plan,
    )


def sample_plan() -> str:
    created, updated = (
        ResourceChange("aws_subnet.b", ("create",)),
        ResourceChange("aws_vpc.main", ("update",)),
    )
    parts = (
        sample_section("app-prod", Counts(), ""),
        sample_section("network-prod", Counts(1, 1, 0), PLAN, created, updated),
    )
    return TEXTS.change_comment(ChangeReport(parts[0].run.commit, parts), 65_536).text


def sample_outcome() -> str:
    planned = sample_section("network-prod", Counts(1, 1, 0), PLAN)
    run = Run(
        **{
            **vars(planned.run),
            "status": RunStatus.APPLIED,
            "plan_only": False,
            "source": RunSource.COMMENT,
            "confirmed_by": "ben",
        }
    )
    return TEXTS.applies_comment([ApplyReport(planned.workspace, run, planned.run_url, APPLY)], "", 65_536)


@pytest.mark.parametrize(("name", "text"), [("plan", sample_plan()), ("outcome", sample_outcome())])
def test_the_sample_thread_is_what_the_bot_would_write(name: str, text: str) -> None:
    found = re.search(rf"<!-- sample: {name} -->\n(.*?)<!-- end -->", README.read_text(), re.DOTALL)
    assert found
    lines = [line.removeprefix(">").removeprefix(" ") for line in found[1].rstrip("\n").splitlines()]
    assert "\n".join(lines) + "\n" == text


def test_the_readme_is_read_in_minutes() -> None:
    assert 150 <= len(README.read_text().splitlines()) <= 200
