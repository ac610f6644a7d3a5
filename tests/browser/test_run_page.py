"""The run's page in a browser: it follows the run without a reload, and works without scripts too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.web.runs import live
from bot.web.runs.live import Streams
from tests.browser.conftest import NARROW, Site
from tests.browser.worked_run import PLANNED, Told
from tests.support.plans import a_bit_of_everything, many_changes

pytestmark = pytest.mark.e2e


@contextmanager
def staying(page: Page) -> Iterator[None]:
    """Make sure that the page is never loaded anew."""
    page.evaluate("window.sameAsBefore = true")
    yield
    assert page.evaluate("window.sameAsBefore") is True


def badge(page: Page) -> Locator:
    return page.locator(".heading .badge")


def press(page: Page, verb: str, label: str, comment: str = "") -> None:
    """Press a button of the run: it asks once, and takes a comment."""
    page.locator(f"#ask-{verb} > summary").click()
    sheet = page.locator(f"#ask-{verb} form")
    if comment:
        sheet.get_by_role("textbox").fill(comment)
    sheet.get_by_role("button", name=label).click()


def lines(page: Page, stage: str = "plan") -> list[str]:
    return page.locator(f"#output-{stage} .lines > span").all_text_contents()


def test_from_pending_to_applied_without_a_reload(site: Site) -> None:
    run = Told(site, "follows", message="Widen the subnet")
    with site.page(run.path) as page, staying(page):
        expect(badge(page)).to_have_text("Pending")
        expect(page.locator("#run[data-following=events]")).to_be_attached()
        run.move(RunStatus.FETCHING, RunStatus.FETCHING_COMPLETED, RunStatus.PLAN_QUEUED, RunStatus.PLANNING)
        expect(badge(page)).to_have_text("Planning")
        run.say("$ terraform plan\n  + resource\n")
        expect(page.locator("#plan-L2")).to_have_text(re.compile("resource"))
        run.keep(a_bit_of_everything())
        run.move(RunStatus.PLANNED, has_changes=True, counts=Counts(2, 3, 2))
        expect(badge(page)).to_have_text("Needs confirmation")
        expect(page).to_have_title(re.compile(r"^Needs confirmation · Widen the subnet · follows"))
        expect(page.locator("link[rel=icon]")).to_have_attribute("href", "/static/state-ask.svg")
        expect(page.get_by_text("forced by ami, user_data")).to_be_visible()
        press(page, "confirm", "Confirm & Apply", "Looks right")
        expect(badge(page)).to_have_text("Apply queued")
        expect(page.locator("[data-part=timeline] > .timeline")).to_contain_text("Looks right")
        run.move(RunStatus.APPLYING)
        run.say("a.b: Creating...\na.b: Creation complete after 1s\n", "apply")
        expect(page.locator("#stage-apply progress")).to_have_attribute("value", "14")
        expect(page.locator("#apply-L2")).to_be_visible()
        run.say("Apply complete!\n", "apply")
        run.move(RunStatus.APPLIED)
        expect(badge(page)).to_have_text("Applied")
        expect(page.locator("link[rel=icon]")).to_have_attribute("href", "/static/state-good.svg")
        expect(page.locator("#ask-retry")).to_be_visible()
        assert lines(page, "apply")[-1] == "3Apply complete!\n"


@pytest.mark.parametrize(
    ("verb", "label", "begins", "ends"),
    [
        ("discard", "Discard", RunStatus.PLANNED, RunStatus.DISCARDED),
        ("cancel", "Cancel Run", RunStatus.PLANNING, RunStatus.CANCELED),
    ],
)
def test_a_button_asks_once_and_the_page_stays(
    site: Site, verb: str, label: str, begins: RunStatus, ends: RunStatus
) -> None:
    run = Told(site, f"press-{verb}", **{**PLANNED, "status": begins})
    with site.page(run.path) as page, staying(page):
        press(page, verb, label, "Not today")
        expect(page.locator("#ask-retry")).to_be_visible()
        expect(page.locator("[data-part=timeline] > .timeline")).to_contain_text("Not today")
        assert run.status is ends


def test_an_override_needs_a_reason(site: Site) -> None:
    run = site.seeded.runs["override"]
    with site.page(f"/runs/{run.id}") as page, staying(page):
        press(page, "override", "Override Policy")
        assert site.world.reload(run).status is RunStatus.POLICY_OVERRIDE
        sheet = page.locator("#ask-override form")
        sheet.get_by_label("Reason").fill("Agreed with finance")
        sheet.get_by_role("button", name="Override Policy").click()
        expect(badge(page)).to_have_text("Needs confirmation")
        expect(page.locator("#stage-policies")).to_contain_text("Agreed with finance")


def test_somebody_who_types_is_not_disturbed_and_somebody_too_late_is_told(site: Site) -> None:
    run = Told(site, "late", **PLANNED)
    # Not `site.page`: the browser itself complains of an answer that is 409.
    with site.context() as context:
        page = context.new_page()
        page.goto(run.path)
        page.locator("#ask-confirm > summary").click()
        page.locator("#ask-confirm input[name=comment]").fill("I think")
        run.move(RunStatus.DISCARDED)
        expect(badge(page)).to_have_text("Discarded")
        expect(page.locator("#ask-confirm input[name=comment]")).to_have_value("I think")
        with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            page.locator("#ask-confirm form button").click()
        assert answered.value.status == 409
        expect(page.locator("#problem")).to_contain_text("retry it to run the same commit again")
        expect(page.locator("#ask-confirm")).to_have_count(0)


def test_people_talk_on_the_page(site: Site) -> None:
    run = Told(site, "talk", status=RunStatus.APPLIED)
    with site.page(run.path) as page, staying(page):
        page.get_by_placeholder("Comment on this run").fill("Well done.")
        page.get_by_role("button", name="Comment").click()
        expect(page.locator(".timeline .said")).to_contain_text("Well done.")
        expect(page.get_by_placeholder("Comment on this run")).to_have_value("")


def test_ten_thousand_changes_can_be_searched_and_opened(site: Site) -> None:
    run = Told(site, "large", **PLANNED)
    run.keep(many_changes(10_000))
    with site.page(run.path) as page, staying(page):
        expect(page.locator("#resources")).to_contain_text("1 to 200 of 10,001")
        page.get_by_role("link", name="Replace 2,500").click()
        expect(page.locator("#resources")).to_contain_text("2,500 that fit")
        page.get_by_role("link", name=re.compile("more of")).click()
        expect(page.locator("#resources .resource")).to_have_count(400)
        page.locator("#resources .resource summary").nth(300).click()
        expect(page.locator("#resources .resource").nth(300)).to_contain_text("8 unchanged")
        page.get_by_role("link", name=re.compile("^All")).click()
        page.get_by_placeholder("Find").fill("needle")
        expect(page.locator("#resources .resource")).to_have_count(1)
        expect(page.locator("#resources")).to_contain_text("aws_route53_zone.needle")
        assert "q=needle" in page.url


def test_a_connection_that_breaks_goes_on_where_it_was(site: Site) -> None:
    run = Told(site, "breaks", status=RunStatus.PLANNING, plan_status=StageStatus.RUNNING)
    live.install(site.world.app, Streams(most=4, looks=2, pause=0.05))
    try:
        with site.page(run.path) as page, staying(page):
            for number in range(1, 6):
                run.say(f"line {number}\nhalf of ")
                expect(page.locator("#output-plan .lines > span")).to_have_count(number)
            run.say("the last\n")
            run.move(RunStatus.ERRORED)
            expect(badge(page)).to_have_text("Plan errored")
            expect(page.locator("#output-plan .lines > span")).to_have_count(6)
            said = [line[1:].rstrip("\n") for line in lines(page)]
    finally:
        live.install(site.world.app, Streams())
    halves = [f"half of line {number}" for number in range(2, 6)]
    assert said == ["line 1", *halves, "half of the last"]


def test_where_no_stream_is_free_the_page_asks(site: Site) -> None:
    run = Told(site, "asks", status=RunStatus.PLANNING, plan_status=StageStatus.RUNNING)
    live.install(site.world.app, Streams(most=0))
    try:
        with site.context() as context:
            page = context.new_page()
            page.goto(run.path)
            expect(page.locator("#run[data-following=news]")).to_be_attached()
            run.say("by news\n")
            run.move(RunStatus.ERRORED)
            expect(badge(page)).to_have_text("Plan errored")
            expect(page.locator("#plan-L1")).to_contain_text("by news")
    finally:
        live.install(site.world.app, Streams())


def test_earlier_lines_come_when_asked_for_or_linked_to(site: Site) -> None:
    run = Told(site, "long", **PLANNED)
    run.say("".join(f"number {number}\n" for number in range(1, 100_001)))
    with site.page(f"{run.path}#plan-L99500") as page:
        expect(page.locator("#plan-L99500")).to_be_in_viewport()
        page.evaluate("location.hash = '#plan-L96000'")
        expect(page.locator("#plan-L96000")).to_be_in_viewport()
        page.get_by_role("button", name="Show all lines").click()
        # The page's policy forbids a function in a string: the browser is asked step by step.
        page.wait_for_selector("#plan-L1", state="attached")
        assert page.evaluate("document.querySelectorAll('#output-plan .lines > span').length") == 100_000


def test_without_scripts_everything_can_be_reached(site: Site) -> None:
    run = Told(site, "plain", **PLANNED)
    run.keep(many_changes(300))
    with site.page(run.path, java_script_enabled=False) as page:
        page.locator(".resource summary").nth(4).click()
        page.get_by_role("link", name="Its attributes").click()
        expect(page.locator(".attributes")).to_contain_text("attribute_1")
        page.go_back()
        page.get_by_placeholder("Find").fill("needle")
        page.get_by_role("button", name="Find").click()
        expect(page.locator(".resource")).to_have_count(1)
        page.goto(run.path)
        page.get_by_role("link", name=re.compile("more of")).click()
        expect(page.locator("h1")).to_have_text("Resource changes")
        page.goto(run.path)
        press(page, "confirm", "Confirm & Apply", "By hand")
        expect(badge(page)).to_have_text("Apply queued")
        expect(page.locator("[data-part=timeline] > .timeline")).to_contain_text("By hand")


LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": NARROW},
}


@pytest.mark.parametrize(
    "look", ["light", *(pytest.param(look, marks=pytest.mark.soak) for look in ("dark", "narrow"))]
)
def test_axe_finds_nothing(site: Site, look: str) -> None:
    paths = [f"/runs/{site.seeded.runs[name].id}" for name in ("confirm", "override", "applying", "errored")]
    full = Told(site, f"axe-{look}", **PLANNED)
    full.keep(a_bit_of_everything())
    full.say("$ terraform plan\n  + resource\n│ Error: no\n\x1b[33mfrom a program\x1b[0m\n")
    full.move(RunStatus.CONFIRMED, RunStatus.APPLY_QUEUED, RunStatus.APPLYING)
    full.say("a.b: Creating...\n", "apply")
    with site.page(**LOOKS[look]) as page:
        for path in (
            full.path,
            *paths,
            f"{full.path}/resources/changes/5",
            f"{full.path}/resources?see=drift",
        ):
            page.goto(path)
            page.evaluate(
                "document.querySelectorAll('details:not(.ask)').forEach((it) => { it.open = true; })"
            )
            found = Axe().run(page).response["violations"]
            assert [(path, each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_times_are_told_in_the_persons_own_zone(site: Site) -> None:
    run = site.seeded.runs["confirm"]
    for path in ("/", f"/runs/{run.id}"):
        with site.page(path, timezone_id="Asia/Tokyo", locale="en-GB") as page:
            expect(page.locator("time").first).to_have_attribute("title", re.compile(r"GMT\+9"))
        with site.page(path, java_script_enabled=False) as page:
            expect(page.locator("time").first).to_have_attribute("title", re.compile("UTC$"))
