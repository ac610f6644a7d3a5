"""Every page in a browser: nothing wrong that axe finds, no sideways scrolling, no script needed."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from bot.web.changes.recent_facts import KEPT_FOR
from tests.browser.addresses import CHANGE, addresses
from tests.browser.conftest import NARROW, Site


def unfold(page: Page) -> None:
    """Open everything that is folded, and wait for what comes when it is opened."""
    page.evaluate("for (const it of document.querySelectorAll('main details:not(.ask)')) it.open = true")
    expect(page.locator("main details[data-src][open], main [data-asking]")).to_have_count(0)


# The schemes differ in their colours alone.
@pytest.mark.parametrize(
    ("scheme", "options"),
    [("light", None), pytest.param("dark", {"runOnly": ["color-contrast"]}, marks=pytest.mark.soak)],
)
def test_axe_finds_nothing_wrong_on_any_page(
    site: Site, scheme: str, options: dict[str, list[str]] | None
) -> None:
    found = {}
    with site.context(color_scheme=scheme, reduced_motion="reduce") as context:
        page = context.new_page()
        for name, address in addresses(site).items():
            page.goto(address)
            unfold(page)
            violations = Axe().run(page, options=options).response["violations"]
            found[name] = [
                (each["id"], node["target"], node.get("failureSummary", "")[:300])
                for each in violations
                for node in each["nodes"]
            ]
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_no_page_scrolls_sideways_on_the_narrowest_screen(site: Site) -> None:
    wide: dict[str, int] = {}
    with site.context(viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        for name, address in addresses(site).items():
            page.goto(address)
            unfold(page)
            over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            wide |= {name: over} if over > 0 else {}
    assert wide == {}


def test_a_workspace_is_locked_and_unlocked_and_a_plan_queued_without_scripts(site: Site) -> None:
    with site.page("/workspaces/edge", java_script_enabled=False) as page:
        page.locator("#ask-lock > summary").click()
        page.get_by_label("Reason").fill("The certificate moves")
        page.get_by_role("button", name="Lock", exact=True).click()
        expect(page.get_by_text("Locked by alice: The certificate moves")).to_be_visible()
        page.get_by_role("link", name="Queue plan").click()
        page.get_by_label("Message").fill("Look at it by hand")
        page.get_by_label("Refresh only").check()
        page.get_by_role("button", name="Queue plan").click()
        expect(page.get_by_role("heading", name="Look at it by hand")).to_be_visible()
        assert "Pending" in page.locator("main").inner_text()
        page.goto("/workspaces/edge")
        assert "locked by alice" in page.locator("main").inner_text()
        page.get_by_role("button", name="Unlock").click()
        expect(page.locator("#ask-lock > summary")).to_be_visible()


def test_a_toast_says_what_was_done_and_nothing_of_what_failed(site: Site) -> None:
    with site.page("/workspaces/archive") as page:
        page.locator("#ask-lock > summary").click()
        page.locator("#ask-lock form button").click()
        expect(page.locator("#toasts")).to_have_text("Done: Lock")
        page.reload()
        expect(page.get_by_text("Locked by alice")).to_be_visible()
        expect(page.locator("#toasts .toast")).to_have_count(0)
        page.get_by_role("button", name="Unlock").click()
        expect(page.locator("#toasts")).to_contain_text("Done: Unlock")
    with site.context() as context:
        page = context.new_page()
        page.goto("/workspaces/archive")
        page.locator("#ask-lock > summary").click()
        page.locator("#ask-lock input[name=form_token]").evaluate("it => { it.value = 'wrong' }")
        page.locator("#ask-lock form button").click()
        expect(page.get_by_text("This form is too old")).to_be_visible()
        page.goto("/workspaces/archive")
        expect(page.locator("#ask-lock > summary")).to_be_visible()
        expect(page.locator("#toasts .toast")).to_have_count(0)


def test_a_line_of_the_output_that_is_searched_for_opens_in_the_run_and_lines_wrap(site: Site) -> None:
    run = site.seeded.runs["confirm"]
    with site.page(f"/runs/{run.id}") as page:
        page.locator("#terminal-plan > summary").click()
        page.get_by_label("Text in all of the output").first.fill("aws_vpc.main will")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="10", exact=True).click()
        expect(page.locator("#plan-L10.here")).to_be_visible()
        style = "getComputedStyle(document.querySelector('#output-plan .lines')).whiteSpace"
        assert page.evaluate(style) == "pre"
        page.locator("#tools-plan").get_by_label("Wrap lines").check()
        assert page.evaluate(style) == "pre-wrap"


def test_the_menu_fits_at_every_width(site: Site) -> None:
    over: dict[int, object] = {}
    with site.page("/estate") as page:
        for width in (320, 480, 561, 700, 850, 1000, 1001, 1100, 1300):
            page.set_viewport_size({"width": width, "height": 700})
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            hidden = page.evaluate(
                "[...document.querySelectorAll('.top a, .top button, .top input')]"
                ".filter(it => it.getBoundingClientRect().right > innerWidth).map(it => it.outerHTML)"
            )
            over |= {width: (wide, hidden)} if wide > 0 or hidden else {}
    assert over == {}


def test_a_token_is_made_used_and_revoked_without_scripts_on_a_narrow_screen(site: Site) -> None:
    with site.page("/", java_script_enabled=False, viewport=NARROW) as page:
        page.get_by_role("link", name="Tokens", exact=True).click()
        page.get_by_label("Name").fill("The builds, on a server with quite a long name")
        page.get_by_label("write:").check()
        page.get_by_role("button", name="Create token").click()
        secret = page.locator("#secret").inner_text()
        page.wait_for_load_state()  # the text may be there before its style
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        bearer = {"Authorization": f"Bearer {secret}"}
        with site.context(signed_in=False) as program:
            answer = program.request.get("/workspaces/network-prod", headers=bearer)
            assert answer.json()["data"][0]["type"] == "runs"
            mine = page.locator("[id^=ask-revoke]")
            mine.locator("summary").click()
            mine.get_by_role("button", name="Revoke").click()
            expect(page.get_by_text("Revoked")).to_be_visible()
            assert program.request.get("/", headers=bearer).status == 401


def test_the_printed_address_signs_in_in_a_tab_that_shows_the_page_already(site: Site) -> None:
    with site.page("/sign-in", signed_in=False) as page:
        expect(page.get_by_label("Password")).to_be_visible()
        # As a person who pastes the address there: only the fragment is another one.
        page.evaluate("password => { location.href = `/sign-in#${password}` }", site.world.password)
        expect(page.get_by_role("heading", name="Workspaces", exact=True)).to_be_visible()
        assert "#" not in page.url


def test_the_keyboard_reaches_the_content_first_and_then_each_workspace(site: Site) -> None:
    with site.page("/") as page:
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.inner_text() == "Skip to the content"
        page.keyboard.press("Enter")
        reached = []
        for _ in range(14):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert "archive" in reached
        assert "Sign out" not in reached


def test_a_search_by_hand_narrows_the_list(site: Site) -> None:
    with site.page("/") as page:
        page.get_by_label("Search by name").fill("network")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=network**")
        expect(page.locator(".workspaces .cover")).to_have_text(["network-prod", "network-staging"])


_SEEN = """() => {
  const it = document.activeElement;
  if (!it || it === document.body || it.id === "page") return "";
  const style = getComputedStyle(it), after = getComputedStyle(it, "::after");
  const ring = (own) => own.outlineStyle !== "none" && parseFloat(own.outlineWidth) >= 1;
  const box = it.getBoundingClientRect();
  const seen = ring(style) || ring(after) || style.boxShadow !== "none";
  return seen && box.width > 0 && box.height > 0 ? "" : it.outerHTML.slice(0, 120);
}"""


def test_the_list_narrows_while_somebody_types(site: Site) -> None:
    with site.page("/?by=repository") as page:
        field = page.locator("input[name=q][placeholder^='Name']")
        field.press_sequentially("network")
        expect(page.locator(".workspaces .cover")).to_have_text(["network-prod", "network-staging"])
        expect(page).to_have_url(re.compile(r"\?q=network&sort=name&by=repository$"))
        expect(page.locator(".filters a").first).to_have_text("All 2")
        expect(field).to_be_focused()


def test_the_keyboards_focus_is_visible_everywhere(site: Site) -> None:
    unseen: dict[str, list[str]] = {}
    pages = addresses(site)
    with site.context() as context:
        page = context.new_page()
        for name in ("workspaces", "runs", "change", "run to confirm", "activity", "deliveries", "not found"):
            page.goto(pages[name])
            for _ in range(45):
                page.keyboard.press("Tab")
                if wrong := page.evaluate(_SEEN):
                    unseen.setdefault(name, []).append(wrong)
    assert unseen == {}


def test_a_slash_leads_to_the_search_which_finds_the_run_of_a_commit(site: Site) -> None:
    run = site.seeded.runs["preview-network-prod"]
    with site.page("/") as page:
        page.keyboard.press("/")
        page.keyboard.type(run.commit[:9])
        page.keyboard.press("Enter")
        page.wait_for_url("**/runs?q=**")
        assert page.locator(f".cover[href='/runs/{run.id}']").count() == 1
        page.locator("#find").fill("#41")
        page.keyboard.type("/")
        assert page.locator("#find").input_value() == "#41/", "in a field it is a letter"


def test_every_attribute_opens_by_one_click_and_folds_again(site: Site) -> None:
    with site.page(f"/runs/{site.seeded.runs['preview-network-prod'].id}") as page:
        folds = page.locator("#resources details.resource")
        assert folds.count() == 2
        page.get_by_role("link", name="Expand all").click()
        page.get_by_role("link", name="Fold all").wait_for()
        assert page.locator("#resources details.resource[open]").count() == 2
        page.get_by_role("link", name="Fold all").click()
        assert page.locator("#resources details.resource[open]").count() == 0


def test_the_forge_is_asked_after_the_page_and_a_plan_is_applied_there(site: Site) -> None:
    with site.world.services.store.reading() as tx:
        site.world.forge.add_change(tx.changes.get("chg-second-zone").change)
    site.world.clock.pass_by(KEPT_FOR)  # what earlier pages were told of the forge is old
    place = site.seeded.workspaces["cluster-prod"].id
    with site.page(CHANGE) as page:
        network = page.locator(f"[data-needs='{site.seeded.workspaces['network-prod'].id}']")
        network.get_by_text("nobody with write access").wait_for()
        ask = page.locator(f"#ask-apply-{place}")
        ask.locator("summary").click()
        assert "destroys 1" in ask.locator(".loud").all_inner_texts()
        ask.get_by_role("button", name="Apply").click()
        page.locator(f"#{place} .badge").first.wait_for()
        assert page.url.endswith(CHANGE)
        assert page.locator(f"#ask-apply-{place}").count() == 0
