"""The page that creates a workspace without a repository, and the download of an upload."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.workspace import WorkspaceOrigin
from bot.services.configurations.api_runs import RunWishes
from tests.web.conftest import World

AT = "/new-workspace"
OLGA = Person("olga", Role.OWNER)


def test_an_administrator_creates_a_workspace(world: World) -> None:
    olga = world.visitor("olga")
    services = world.services
    services.projects.make(OLGA, "payments")
    assert "New workspace" in olga.get("/").get_data(as_text=True)
    token = world.form_token(AT, olga)
    form = {"form_token": token, "name": "net", "description": "a test", "project": "payments"}
    made = olga.post(AT, data=form)
    assert (made.status_code, made.headers["Location"]) == (303, "/workspaces/net")
    with services.store.reading() as tx:
        there = tx.workspaces.named("net")
    assert (there.origin, there.project, there.auto_apply) == (WorkspaceOrigin.API, "payments", False)
    assert olga.get("/workspaces/net").status_code == 200


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"name": "a b"}, "Name must be"),
        ({"name": "network"}, "Name has already been taken"),
        ({"name": "x", "project": "nothing"}, "there is no project nothing"),
    ],
)
def test_a_refused_form_says_why_and_keeps_what_was_typed(
    world: World, form: dict[str, str], says: str
) -> None:
    world.workspace("network")
    olga = world.visitor("olga")
    token = world.form_token(AT, olga)
    refused = olga.post(
        AT, data={"form_token": token, "description": "mine", "project": "Default Project", **form}
    )
    text = refused.get_data(as_text=True)
    assert (refused.status_code, says in text, "mine" in text) == (400, True, True)


def test_others_do_not_find_the_page(world: World) -> None:
    wren = world.visitor("wren", Role.ADMIN)
    world.workspace("network")
    assert "New workspace" not in wren.get("/").get_data(as_text=True)
    assert wren.get(AT).status_code == 404
    token = world.form_token("/tokens", wren)
    assert wren.post(AT, data={"form_token": token, "name": "net"}).status_code == 404


@pytest.fixture
def uploaded(world: World) -> Callable[[], str]:
    def make() -> str:
        services = world.services
        with services.store.reading() as tx:
            there = tx.workspaces.named("network")
        version = services.uploads.ask(there, OLGA, queues_run=False, speculative=True)
        services.uploads.receive(version.id, b"an archive")
        return services.api_runs.create(there, OLGA, RunWishes(version.id)).id

    return make


def test_an_upload_is_downloaded_by_those_who_may_read_the_state(
    world: World, uploaded: Callable[[], str]
) -> None:
    plain = world.run(world.workspace("network"))
    at = f"/runs/{uploaded()}"
    writer, reader = world.visitor("wren", Role.WRITE), world.visitor("rita", Role.READ)
    assert f"{at}/upload" in writer.get(at).get_data(as_text=True)
    found = writer.get(f"{at}/upload")
    assert (found.data, found.mimetype) == (b"an archive", "application/gzip")
    assert "attachment" in found.headers["Content-Disposition"]
    assert f"{at}/upload" not in reader.get(at).get_data(as_text=True)
    assert reader.get(f"{at}/upload").status_code == 404
    assert world.visitor("sam").get(f"{at}/upload").status_code == 404
    assert writer.get(f"/runs/{plain.id}/upload").status_code == 404
