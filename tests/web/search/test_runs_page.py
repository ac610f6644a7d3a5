"""The page of all runs: what it finds, what it shows to whom, numbered pages; and a workspace's runs."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from bot.domain.events import RepoRef
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from tests.web.conftest import World

OTHER = RepoRef("hub", "acme/secret")
COMMIT = "77aa1c02b1f7d3e8b90c6a5d4e3f2a1b0c9d8e7f"
HOSTILE = "<script>alert(1)</script>\"'><b>"


def text(world: World, path: str, status: int = 200, client: FlaskClient | None = None) -> str:
    answer = (client or world.client).get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def listed(page: str) -> list[str]:
    return re.findall(r'<a class="cover" href="/runs/([^"]+)"', page)


@pytest.fixture
def runs(world: World) -> dict[str, Run]:
    network, secret = world.workspace(), world.workspace("vault", OTHER)
    made = {
        "applied": world.run(network, status=RunStatus.APPLIED, message="Change 2024 of it"),
        "asks": world.run(network, status=RunStatus.PLANNED, commit=COMMIT, branch="wide", created_by="zoe"),
    }
    world.clock.pass_by(timedelta(days=1))
    world.sign_in()
    made["change"] = world.run(
        network, status=RunStatus.ERRORED, change_number=41, plan_only=True, message=f"A facade {HOSTILE}"
    )
    made["secret"] = world.run(secret, status=RunStatus.CANCELED, message="Hush")
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"applied", "asks", "change", "secret"}),
        ("?state=attention", {"asks", "change"}),
        ("?state=applied", {"applied"}),
        ("?state=nonsense", {"applied", "asks", "change", "secret"}),
        ("?workspace=vault", {"secret"}),
        ("?repo=acme/secret", {"secret"}),
        ("?person=zoe", {"asks"}),
        ("?branch=wide", {"asks"}),
        ("?commit=77AA1C02B", {"asks"}),
        ("?change=%2341", {"change"}),
        ("?since=2026-11-25", {"change", "secret"}),
        ("?until=2026-11-24", {"applied", "asks"}),
        (f"?q={COMMIT}", {"asks"}),
        ("?q=77aa1c02b", {"asks"}),
        ("?q=%2341", {"change"}),
        ("?q=!41", {"change"}),
        ("?q=41", {"change"}),
        ("?q=2024", {"applied"}),
        ("?q=facade", {"change"}),
        ("?q=CHANGE+of", {"applied"}),
        ("?q=vault", {"secret"}),
        ("?q=nothing+like+it", set()),
        ("?commit=xyz", set()),
        ("?change=x", set()),
        ("?since=yesterday", set()),
        ("?q=%00%0a&page=99999", {"applied", "asks", "change", "secret"}),
    ],
)
def test_runs_are_found(world: World, runs: dict[str, Run], query: str, expected: set[str]) -> None:
    page = text(world, f"/runs{query}")
    if "page=" not in query:
        assert set(listed(page)) == {runs[name].id for name in expected}
    if not expected:
        assert "No run matches." in page
    assert "<script>alert" not in page
    assert "<b>" not in page


def test_what_cannot_be_read_is_said_so(world: World, runs: dict[str, Run]) -> None:
    assert "only the digits 0 to 9" in text(world, "/runs?commit=xyz")
    assert "named by its number" in text(world, "/runs?change=x")
    assert "A day is written as 2026-01-31." in text(world, "/runs?since=yesterday")


def test_the_id_of_a_run_leads_to_it(world: World, runs: dict[str, Run]) -> None:
    answer = world.client.get(f"/runs?q={runs['asks'].id}")
    assert (answer.status_code, answer.location) == (303, f"/runs/{runs['asks'].id}")


def test_a_text_names_the_workspaces_that_it_matches_too(world: World, runs: dict[str, Run]) -> None:
    assert '<a href="/workspaces/vault">vault</a>' in text(world, "/runs?q=vault")


def test_nobody_finds_what_they_may_not_read(world: World, runs: dict[str, Run]) -> None:
    rea, sam = world.visitor("rea", Role.READ), world.visitor("sam")
    for query in ("", "?q=Hush", "?q=vault", "?repo=acme/secret", "?workspace=vault"):
        page = text(world, f"/runs{query}", client=rea)
        assert runs["secret"].id not in page
        assert "/workspaces/vault" not in page
        assert listed(text(world, f"/runs{query}", client=sam)) == []
    assert len(listed(text(world, "/runs", client=rea))) == 3


def test_a_long_list_has_numbered_pages_that_keep_the_filter(world: World) -> None:
    network = world.workspace()
    for number in range(120):
        world.clock.pass_by(timedelta(seconds=1))
        world.run(network, status=RunStatus.APPLIED, commit=f"{number:040x}", message=f"Number {number}")
    page = html.unescape(text(world, "/runs?state=applied"))
    assert "120 runs" in page
    pages = page.partition('<span class="pages">')[2].partition("</nav>")[0]
    assert re.findall(r'href="([^"]+)"[^>]*>(\d)</a>', pages) == [
        ("/runs?page=1&state=applied", "1"),
        ("/runs?page=2&state=applied", "2"),
        ("/runs?page=3&state=applied", "3"),
    ]
    last = text(world, "/runs?state=applied&page=3")
    assert len(listed(last)) == 20
    assert "101 to 120 of 120" in last
    mine = html.unescape(text(world, "/workspaces/network?state=applied&page=2"))
    assert len(listed(mine.partition("<h2>All runs")[2])) == 30
    assert 'href="/workspaces/network?page=4&state=applied"' in mine


def test_the_runs_of_a_workspace_are_narrowed_too(world: World, runs: dict[str, Run]) -> None:
    for query, expected in (("?state=errored", {"change"}), ("?q=77aa1c02b", {"asks"}), ("?q=Hush", set())):
        part = text(world, f"/workspaces/network{query}").partition("<h2>All runs")[2]
        assert set(listed(part)) == {runs[name].id for name in expected}
    assert "No run matches." in text(world, "/workspaces/network?q=Hush")


def test_every_page_has_the_search_and_an_unknown_address_keeps_the_menu(world: World) -> None:
    field = '<input type="search" name="q" id="find"'
    assert field in text(world, "/")
    for nowhere in ("/nowhere", "/runs/run-nowhere", "/workspaces/nowhere"):
        page = text(world, nowhere, 404)
        assert field in page
        assert 'aria-label="Main"' in page
        assert "Sign out" in page
    stranger = text(world, "/nowhere", 404, world.app.test_client())
    assert 'aria-label="Main"' not in stranger
