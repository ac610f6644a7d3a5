"""The card of a run's policies: what evaluated them, and messages by the hundred."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.people.permissions import Role
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.services.ports import SetVersion
from tests.web.conftest import World


def judged(world: World, messages: tuple[str, ...], count: int = 0) -> Run:
    run = world.run(
        world.workspace("net"), status=RunStatus.POLICY_OVERRIDE, plan_status=StageStatus.FINISHED
    )
    check = PolicyCheck(
        "cost",
        "v1",
        "monthly",
        EnforcementLevel.SOFT,
        PolicyOutcome.FAILED,
        messages,
        evaluator="OPA 1.22.3",
        count=count,
    )
    with world.services.store.transaction() as tx:
        tx.policies.keep_version(SetVersion("v1", "cost", "policies/cost", "", {}, run.created_at))
        tx.policies.put(run.id, [check])
    return run


def test_the_first_hundred_messages_are_shown_and_a_link_leads_to_all(world: World) -> None:
    run = judged(world, tuple(f"message {number} is here" for number in range(1000)), count=12_000)
    client = world.visitor("ann", Role.READ)
    page = client.get(f"/runs/{run.id}").get_data(as_text=True)
    assert "1 soft failed, by OPA 1.22.3" in page
    assert "message 99 is here" in page
    assert "message 100 is here" not in page
    address = f"/runs/{run.id}/policy-messages/cost/monthly"
    assert f'<a href="{address}">all 12,000 messages</a>' in page
    lines = client.get(address).get_data(as_text=True).splitlines()
    assert (len(lines), lines[999]) == (1001, "message 999 is here")
    assert lines[1000] == "… and 11,000 more, which were not kept"


@pytest.mark.parametrize(
    ("level", "about", "title"),
    [
        (
            EnforcementLevel.HARD,
            {"status": RunStatus.ERRORED, "error": "stopped"},
            "A policy stopped this run",
        ),
        (
            EnforcementLevel.SOFT,
            {"status": RunStatus.POLICY_SOFT_FAILED, "plan_only": True},
            "A policy failed: an apply needs an override",
        ),
        (EnforcementLevel.SOFT, {"status": RunStatus.POLICY_OVERRIDE}, "A policy failed"),
    ],
)
def test_a_run_that_a_policy_stopped_says_so_with_the_policys_words(
    world: World, level: EnforcementLevel, about: dict[str, Any], title: str
) -> None:
    run = world.run(world.workspace("net"), plan_status=StageStatus.FINISHED, has_changes=True, **about)
    said = ("costs <b>too</b> much", "second", "third", "fourth")
    check = PolicyCheck("cost", "v1", "monthly", level, PolicyOutcome.FAILED, said)
    with world.services.store.transaction() as tx:
        tx.policies.keep_version(SetVersion("v1", "cost", "policies/cost", "", {}, run.created_at))
        tx.policies.put(run.id, [check])
    page = world.visitor("ann", Role.READ).get(f"/runs/{run.id}").get_data(as_text=True)
    banner = page.partition(f'<section class="banner bad"><h2>{title}</h2><p>')[2].partition("</section>")[0]
    assert banner.startswith("cost/monthly:\n  costs &lt;b&gt;too&lt;/b&gt; much\n  second")
    assert "and 1 more, below" in banner
    assert "The run failed" not in page


def test_a_hundred_messages_need_no_link(world: World) -> None:
    run = judged(world, tuple(f"message {number} is here" for number in range(100)))
    client = world.visitor("ann", Role.READ)
    assert "policy-messages" not in client.get(f"/runs/{run.id}").get_data(as_text=True)
    assert client.get(f"/runs/{run.id}/policy-messages/cost/other").status_code == 404
