"""The page of resources over all workspaces: what is found, where it leads, and who sees it."""

from __future__ import annotations

import html
import re
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import StateVersion
from bot.services.states.resource_index import ResourceIndex
from bot.web.resources.routes import PER_PAGE
from tests.support.seeding import LINEAGE, state_json
from tests.web.conftest import World

OTHER = RepoRef("hub", "acme/vault")


def state(world: World, workspace: Workspace, *addresses: str, run_id: str = "") -> StateVersion:
    data = state_json(1, {address: {"id": "vpc-0a1b2c", "password": "hush"} for address in addresses})
    version = StateVersion(
        new_id("sv"), workspace.id, run_id, 1, LINEAGE, "md5", world.clock.now(), len(data)
    )
    with world.services.store.transaction() as tx:
        tx.states.add(version, data)
    world.services.sweep.run()
    return version


def text(world: World, path: str = "/resources", client: FlaskClient | None = None) -> str:
    answer = (client or world.client).get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def found(page: str) -> list[str]:
    return re.findall(r'<td><a href="[^"]+"><code>([^<]+)</code>', page)


def test_a_resource_leads_to_the_run_that_changed_it_and_to_the_current_state(world: World) -> None:
    network = world.workspace("network")
    run = world.run(network, status=RunStatus.APPLIED)
    version = state(world, network, "module.network.aws_vpc.main", run_id=run.id)
    page = text(world)
    assert found(page) == ["module.network.aws_vpc.main"]
    assert f'<a href="/runs/{run.id}">{run.id}</a>' in page
    assert "hashicorp/aws" in page
    assert "version unknown" in page
    assert "hush" not in page
    assert "vpc-0a1b2c" not in page
    link = re.findall(rf'href="(/workspaces/network/states/{version.id}[^"]*)"', page)[0]
    assert "module.network.aws_vpc.main" in text(world, link)


def test_resources_are_narrowed_and_the_types_keep_the_other_filters(world: World) -> None:
    state(world, world.workspace("network"), "aws_vpc.main", "aws_subnet.a", "aws_subnet.b")
    state(world, world.workspace("app"), "aws_subnet.c")
    assert found(text(world, "/resources?type=subnet&workspace=network")) == ["aws_subnet.a", "aws_subnet.b"]
    assert found(text(world, "/resources?q=VPC")) == ["aws_vpc.main"]
    page = text(world, "/resources?workspace=network")
    types = dict(re.findall(r'<a href="([^"]+)">([^<]+?) <span>', page))
    assert types == {
        "/resources?workspace=network&type=aws_subnet": "aws_subnet",
        "/resources?workspace=network&type=aws_vpc": "aws_vpc",
    }
    nothing = "/resources?module=<b>nowhere"
    assert "No resource matches" in text(world, nothing)
    assert "<b>nowhere" not in world.client.get(nothing).get_data(as_text=True)


def test_people_find_only_resources_of_repositories_that_they_may_read(world: World) -> None:
    state(world, world.workspace("network"), "aws_vpc.main")
    state(world, world.workspace("safe", repo=OTHER), "aws_subnet.secret")
    rea = world.visitor("rea", Role.READ)
    page = text(world, client=rea)
    assert found(page) == ["aws_vpc.main"]
    assert "aws_subnet" not in page
    assert found(text(world, "/resources?workspace=safe", client=rea)) == []
    assert found(text(world, client=world.visitor("nora"))) == []
    assert len(found(text(world))) == 2


def queries(world: World, path: str) -> tuple[int, str]:
    asked: list[str] = []

    def note(*about: Any) -> None:
        asked.append(about[2])

    engine = world.services.store._engine  # type: ignore[attr-defined]
    sa.event.listen(engine, "before_cursor_execute", note)
    page = text(world, path)
    sa.event.remove(engine, "before_cursor_execute", note)
    return len(asked), page


def test_a_long_list_comes_in_parts_by_as_many_queries_as_a_short_one(world: World) -> None:
    network = world.workspace("network")
    state(world, network, "aws_vpc.main")
    text(world)
    few, _ = queries(world, "/resources")
    addresses = [f"aws_subnet.n{number:03}" for number in range(2 * PER_PAGE)]
    state(world, world.workspace("app"), *addresses)
    many, page = queries(world, "/resources?page=2")
    assert many == few
    assert found(page) == addresses[PER_PAGE:]
    assert "101 resources" in page
    assert found(text(world, "/resources?page=3")) == ["aws_vpc.main"]


def test_a_state_from_before_the_index_is_indexed_by_the_sweep(world: World) -> None:
    network = world.workspace("network")
    state(world, network, "aws_vpc.main")
    with world.services.store._engine.begin() as connection:  # type: ignore[attr-defined]
        for table in ("resources", "indexed_states"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    assert found(text(world)) == []
    ResourceIndex(world.services.store, world.services.vault).catch_up_all()
    assert found(text(world)) == ["aws_vpc.main"]
