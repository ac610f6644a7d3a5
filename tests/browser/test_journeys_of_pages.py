"""What people come to the pages for, from the page where they begin to the words that they look for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from playwright.sync_api import Locator, Page, expect

from bot.domain.events import Change
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.plans.plan import Counts
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.services.ports import ChangeRecord
from tests.browser.conftest import Site
from tests.browser.worked_run import PLANNED, Told
from tests.fakes.engine import change as planned_change
from tests.fakes.engine import plan_json
from tests.support.plans import a_bit_of_everything
from tests.support.seeding import HEADS, REPO

PHONE: dict[str, Any] = {
    "viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2,
}  # fmt: skip


def opened(site: Site, number: int, *names: str) -> str:
    """Open a change that touches these workspaces; return the path of its page."""
    change = Change(
        REPO, number, f"Change {number}", "ana", HEADS[5], f"change-{number}", "main", False,
        f"https://hub.example.com/acme/infra/pull/{number}", default_branch="main", mergeable=True,
    )  # fmt: skip
    site.world.forge.add_change(change)
    with site.world.services.store.transaction() as tx:
        touched = tuple(tx.workspaces.named(name).id for name in names)
        now = site.world.clock.now()
        tx.changes.put(ChangeRecord(f"chg-{number}", change, touched, now))
    return f"/changes/chg-{number}"


def of_change(number: int, commit: str = HEADS[5]) -> dict[str, Any]:
    return {
        "change_number": number, "branch": f"change-{number}", "source": RunSource.CHANGE, "commit": commit,
    }  # fmt: skip


def destroying(site: Site, name: str, **about: Any) -> Told:
    """A plan that destroys one of its many objects, deep in a module; and replaces another."""
    run = Told(site, name, **{**PLANNED, "counts": Counts(32, 1, 2), **about})
    many = [planned_change(f"aws_instance.web[{n}]", after={"n": n}) for n in range(30)]
    run.keep({**a_bit_of_everything(), "resource_changes": [
        *many, *a_bit_of_everything()["resource_changes"],
        planned_change("module.data.aws_db_instance.orders", "delete", before={"name": "orders"},
                       module_address="module.data"),
    ]})  # fmt: skip
    return run


def red(them: Locator) -> bool:
    """Whether what a person sees is in the colour that warns: more red than green and blue together."""
    shown = them.evaluate("it => getComputedStyle(it).color")
    red, green, blue = (int(part) for part in re.findall(r"\d+", shown)[:3])
    return red > green + blue


def over(page: Page) -> int:
    """Return how far the page goes beyond the screen's edge."""
    found: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return found


def test_who_applied_what_yesterday(site: Site) -> None:
    clock, now = site.world.clock, site.world.clock.now()
    mine, other = (Told(site, f"shop-{when}", **PLANNED, message="Grow the shop") for when in ("one", "two"))
    try:
        for run, login, at in ((mine, "ana", now - timedelta(days=1)), (other, "ben", now)):
            clock.at = at
            somebody = Person(login, Role.WRITE, Origin(Via.PAGE, "hub", "192.0.2.7"))
            site.world.services.controls.confirm(run.run.id, somebody, "Looks right")
    finally:
        clock.at = now
    with site.page("/") as page:
        page.get_by_role("link", name="Activity", exact=True).click()
        page.get_by_role("link", name="Yesterday").click()
        page.get_by_label("Action").select_option("apply")
        page.get_by_role("button", name="Filter").click()
        lines = page.locator(".list > .row")
        expect(lines).to_have_count(1)
        expect(page.get_by_role("link", name="Yesterday")).to_have_attribute("aria-current", "true")
        for said in ("ana", "apply", "shop-one", mine.run.id):
            expect(lines).to_contain_text(said)
        lines.get_by_role("link", name=mine.run.id).click()
        expect(page.get_by_role("heading", name="Grow the shop")).to_be_visible()
        expect(page.locator("[data-part=timeline] > .timeline")).to_contain_text("by ana")


def test_what_a_plan_destroys_from_the_list_of_workspaces(site: Site) -> None:
    run = destroying(site, "orders", message="Move the orders")
    with site.page("/") as page:
        line = page.locator(".workspaces > .row", has=page.get_by_role("link", name="orders", exact=True))
        assert red(line.locator(".counts .destroy"))
        line.get_by_role("link", name="Move the orders").click()
        page.wait_for_url(f"**{run.path}")
        losses = page.get_by_role("region", name="This plan destroys 2 objects and replaces 1")
        expect(losses.locator("li")).to_have_text(
            [
                re.compile("Destroy: aws_eip.old"),
                re.compile("Destroy: module.data.aws_db_instance.orders"),
                re.compile("Replace: module.network.aws_instance.web"),
            ]
        )
        for row in losses.locator(".deed").all():
            expect(row).to_be_in_viewport()
            assert red(row)
        page.get_by_role("link", name="Destroy 2").click()
        expect(page.locator("#resources [data-list] .resource")).to_have_count(2)


def test_what_a_change_destroys_is_the_first_on_its_page(site: Site) -> None:
    destroying(site, "stock", plan_only=True, **{**of_change(51), "status": RunStatus.PLANNED_AND_FINISHED})
    with site.page(opened(site, 51, "stock")) as page:
        first = page.get_by_role("list", name="What it does in stock").locator("li")
        expect(first.nth(0)).to_have_text(re.compile("Destroy: aws_eip.old"))
        expect(first.nth(1)).to_have_text(re.compile("Destroy: module.data.aws_db_instance.orders"))
        expect(first.nth(0)).to_be_in_viewport()
        assert red(first.nth(0).locator(".deed"))


def policy(*, last: str) -> dict[str, Any]:
    """A plan with a document and a text of more than 20,000 characters. Only their ends are others."""
    statements = [{"Sid": f"Reader{n}", "Effect": "Allow", "Action": ["s3:GetObject"]} for n in range(400)]
    statements.append({"Sid": "Last", "Effect": "Allow", "Action": [last]})
    text = "\n".join(f"echo line {n} of a long script" for n in range(1200)) + f"\nallow {last}\n"
    after = {"policy": json.dumps({"Version": "2012-10-17", "Statement": statements}), "user_data": text}
    before = {"policy": after["policy"].replace(last, "s3:ListBucket"), "user_data": "echo\n"}
    return plan_json(planned_change("aws_iam_policy.reader", "update", before=before, after=after))


def test_two_plans_that_differ_at_the_end_of_a_long_value(site: Site) -> None:
    runs = []
    for commit, last in ((HEADS[4], "s3:PutObject"), (HEADS[5], "s3:DeleteBucket")):
        site.world.clock.pass_by(timedelta(minutes=1))
        about = {**PLANNED, **of_change(52, commit), "status": RunStatus.PLANNED_AND_FINISHED}
        told = Told(site, "policies", **about, plan_only=True)
        told.keep(policy(last=last))
        runs.append(told)
    with site.page(opened(site, 52, "policies")) as page:
        page.get_by_role("button", name="Compare").click()
        differs = page.locator("details.diff")
        expect(differs.get_by_text("aws_iam_policy.reader")).to_be_in_viewport()
        assert over(page) <= 0
        for name in ("policy.Statement[400].Action", "user_data"):
            lines = differs.locator("tbody tr", has_text=name)
            expect(lines.locator("[data-label=Before]", has_text="s3:PutObject")).to_be_visible()
            expect(lines.locator("[data-label=After]", has_text="s3:DeleteBucket")).to_be_visible()
        page.goto(runs[-1].path)
        page.locator("#changes-0 > summary").click()
        inside = page.locator("#changes-0 .lines-diff").first
        expect(inside.locator(".destroy")).to_contain_text("s3:ListBucket")
        expect(inside.locator(".add")).to_contain_text("s3:DeleteBucket")


def test_a_waiting_run_is_confirmed_on_the_page_of_its_change(site: Site) -> None:
    run = destroying(site, "queues", **of_change(53))
    with site.page(opened(site, 53, "queues")) as page:
        ask = page.locator(f"#ask-apply-{run.run.workspace_id}")
        ask.locator("summary").click()
        expect(ask.locator(".loud")).to_have_text("destroys 2")
        ask.get_by_role("button", name="Confirm & Apply").click()
        page.wait_for_url(f"**{run.path}")
        expect(page.locator(".heading .badge")).to_have_text("Apply queued")
        assert site.world.reload(run.run).confirmed_by == "alice"


def test_on_a_phone_from_a_notification_to_an_apply(site: Site) -> None:
    run = destroying(site, "phone", message="Move the orders to another and much larger database instance")
    with site.page(run.path, **PHONE) as page:
        gone = page.locator(".losses").get_by_text("module.data.aws_db_instance.orders")
        expect(gone).to_be_in_viewport()
        button = page.locator("#ask-confirm > summary")
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box and box["height"] >= 32 and box["x"] >= 0 and box["x"] + box["width"] <= 375
        button.tap()
        sheet = page.locator("#ask-confirm form")
        expect(sheet.locator(".loud")).to_be_in_viewport()
        confirm = sheet.get_by_role("button", name="Confirm & Apply")
        confirm.scroll_into_view_if_needed()
        assert over(page) <= 0
        confirm.tap()
        expect(page.locator(".heading .badge")).to_have_text("Apply queued")
        assert over(page) <= 0


def test_policies_can_be_read_on_a_phone(site: Site) -> None:
    run = Told(site, "judged", **{**PLANNED, "status": RunStatus.POLICY_OVERRIDE})
    run.keep(a_bit_of_everything())
    message = f"It costs 240 a month more, see https://costs.example.com/{'long' * 30}"
    failed = PolicyCheck(
        "cost-of-everything-that-we-run", "v1", "monthly_costs_of_a_workspace_in_production",
        EnforcementLevel.SOFT, PolicyOutcome.FAILED, (message,),
    )  # fmt: skip
    passed = replace(failed, policy="tags", outcome=PolicyOutcome.PASSED, messages=(), description="Owned")
    with site.world.services.store.transaction() as tx:
        tx.policies.put(run.run.id, [failed, passed])
    with site.page(run.path, **PHONE) as page:
        card = page.locator("#stage-policies")
        for said in (message, "monthly_costs_of_a_workspace_in_production", "Owned"):
            words = card.get_by_text(said)
            words.scroll_into_view_if_needed()
            box = words.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= 375
            assert float(words.evaluate("it => parseFloat(getComputedStyle(it).fontSize)")) >= 12
        hidden = "it => [...it.querySelectorAll('*')].some(each => each.scrollWidth > it.clientWidth)"
        assert not card.evaluate(hidden)
        assert over(page) <= 0


def test_a_page_that_is_not_there_keeps_the_menu(site: Site) -> None:
    with site.context() as context:
        page = context.new_page()
        answer = page.goto("/runs/run-nowhere")
        assert answer and answer.status == 404
        for name in ("Workspaces", "Runs", "Activity"):
            expect(page.get_by_role("navigation", name="Main").get_by_role("link", name=name)).to_be_visible()
        page.get_by_label("Search runs by commit").fill("Open a second zone")
        page.keyboard.press("Enter")
        expect(page.locator(f".cover[href='/runs/{site.seeded.runs['confirm'].id}']")).to_be_visible()


def test_all_tabs_of_a_workspace_are_in_sight_on_a_phone(site: Site) -> None:
    with site.page("/workspaces/network-prod", **PHONE) as page:
        tabs = page.get_by_role("navigation", name="Workspace").get_by_role("link").all()
        assert [tab.inner_text() for tab in tabs] == [
            "Runs",
            "Variables",
            "States",
            "Forecasts",
            "Drift",
            "Settings",
        ]
        for tab in tabs:
            expect(tab).to_be_in_viewport(ratio=0.95)
