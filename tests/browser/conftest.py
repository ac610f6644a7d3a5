"""A real browser on the real application, with a database that has a workspace in every state.

`site` is shared by all tests of a module: whoever changes something there uses a workspace of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.backend import live
from tests.support.seeding import Seeded, seed
from tests.support.stores import Stores
from tests.web.conftest import World, built

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@dataclass
class Site:
    """The application at an address, and a browser to open it with."""

    world: World
    seeded: Seeded
    address: str
    browser: Browser
    cookies: list[Any] = field(default_factory=list)

    @contextmanager
    def context(self, *, signed_in: bool = True, **options: Any) -> Iterator[BrowserContext]:
        """A browser's profile of its own: `color_scheme`, `viewport`, `java_script_enabled`, ..."""
        with self.browser.new_context(base_url=self.address, **{"viewport": WIDE, **options}) as context:
            context.set_default_timeout(15_000)
            if signed_in:
                context.add_cookies(self._cookies())
            yield context

    @contextmanager
    def page(self, path: str = "", **options: Any) -> Iterator[Page]:
        """One page of a profile of its own, opened at a path; what it complains of is an error."""
        with self.context(**options) as context:
            page, wrong = context.new_page(), []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
            if path:
                page.goto(path)
            yield page
            assert wrong == []

    def _cookies(self) -> list[Any]:
        """Sign in once, by the form; its cookies serve every profile."""
        if not self.cookies:
            with self.context(signed_in=False, java_script_enabled=False) as context:
                page = context.new_page()
                page.goto("/sign-in")
                page.get_by_label("Password").fill(self.world.password)
                page.get_by_role("button", name="Sign in", exact=True).click()
                self.cookies = context.cookies()
        return self.cookies


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once for each process of the tests."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(browser: Browser, stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The seeded application, served for a module's tests."""
    with stores.one() as kept, built(kept, tmp_path_factory.mktemp("site")) as world:
        seeded = seed(world)
        with live(world.app) as address:
            yield Site(world, seeded, address, browser)
