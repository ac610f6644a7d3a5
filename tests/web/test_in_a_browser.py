"""Signing in by the address's fragment, in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.domain.runs.lifecycle import RunStatus
from tests.support.backend import live
from tests.web.conftest import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH"),
]


class Watched:
    """The application, with somebody who looks at every request before it."""

    def __init__(
        self, app: WSGIApplication, look: Callable[[WSGIEnvironment], object] = lambda environ: None
    ) -> None:
        self.app, self.look = app, look
        self.asked: list[str] = []

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        query, referer = environ["QUERY_STRING"], environ.get("HTTP_REFERER", "")
        self.asked.append(f"{environ['PATH_INFO']}?{query} {referer}")
        self.look(environ)
        return self.app(environ, start)


def dom(address: str, folder: Path) -> str:
    """Open a page, let its scripts work for some seconds of the page's own time, and return what is there."""
    arguments = [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={folder}",
        "--virtual-time-budget=20000", "--dump-dom",
    ]  # fmt: skip
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *arguments, address], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_printed_address_signs_in_and_the_server_never_sees_the_fragment(
    world: World, tmp_path: Path
) -> None:
    run = world.run(world.workspace(), status=RunStatus.APPLIED)
    secret, watched = world.password, Watched(world.app)
    with live(watched) as address:
        page = dom(f"{address}/sign-in?next=/runs/{run.id}#{secret}", tmp_path)
        assert run.message in page
        assert "Sign out" in page
        assert secret not in page
        refused = dom(f"{address}/sign-in?next=/runs/{run.id}#wrong", tmp_path / "other")
        assert "Wrong password" in refused
        assert run.message not in refused
    assert any("/runs/" in one for one in watched.asked)
    assert secret not in " ".join(watched.asked)
