"""The index of resources, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.services.ports import IndexedResource, IndexedState, ResourceQuery, StateVersion
from bot.store import SqlStore
from tests.store.samples import AT, put, workspace

OTHER = RepoRef("gitlab", "acme/other")
AWS, NULL = "registry.terraform.io/hashicorp/aws", "registry.opentofu.org/hashicorp/null"


def resource(place: str, kind: str, name: str, module: str = "", **about: Any) -> IndexedResource:
    address = ".".join(part for part in (module, kind, name) if part)
    found = IndexedResource(
        place, address, kind, name, module, AWS, "5.31.0", 1, "m" * 64, "sv-1", "run-1", AT
    )
    return replace(found, **about)


@pytest.fixture
def known(store: SqlStore) -> SqlStore:
    network, app = put(store), put(store, workspace("app-prod", repo=OTHER))
    rows = {
        network.id: [
            resource(network.id, "aws_vpc", "main"),
            resource(network.id, "aws_subnet", "a", "module.net", instances=3),
        ],
        app.id: [
            resource(app.id, "null_resource", "100%", provider=NULL, provider_version="", changed_at=None),
            resource(app.id, "aws_vpc", "main", provider_version="5.4.0"),
        ],
    }
    with store.transaction() as unit:
        for place, some in rows.items():
            version = StateVersion(new_id("sv"), place, "", 1, "lin", "md5", AT, 9)
            unit.states.add(version, b"{}")
            unit.indexed_resources.put(IndexedState(place, version.id, "1.15.5"), some, ())
    return store


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["aws_vpc.main", "aws_vpc.main", "module.net.aws_subnet.a", "null_resource.100%"]),
        ({"type": "VPC"}, ["aws_vpc.main", "aws_vpc.main"]),
        ({"type": "vpc", "workspace": "app-prod"}, ["aws_vpc.main"]),
        ({"name": "0%"}, ["null_resource.100%"]),
        ({"name": "_"}, []),
        ({"module": "net"}, ["module.net.aws_subnet.a"]),
        ({"provider": "opentofu"}, ["null_resource.100%"]),
        ({"version": "5.3"}, ["aws_vpc.main", "module.net.aws_subnet.a"]),
        ({"version": "31"}, []),
        ({"address": "net.aws"}, ["module.net.aws_subnet.a"]),
        ({"repos": (OTHER,)}, ["aws_vpc.main", "null_resource.100%"]),
        ({"repos": ()}, []),
        ({"limit": 1, "offset": 2}, ["module.net.aws_subnet.a"]),
    ],
)
def test_resources_are_found_by_each_field(
    known: SqlStore, query: dict[str, Any], expected: list[str]
) -> None:
    with known.reading() as unit:
        found = unit.resource_search.page(ResourceQuery(**query))
        total = unit.resource_search.count(ResourceQuery(**query))
    assert sorted(each.resource.address for each in found) == expected
    assert total == (4 if "limit" in query else len(expected))


def test_the_commonest_types_are_counted_first(known: SqlStore) -> None:
    with known.reading() as unit:
        assert unit.resource_search.types(ResourceQuery(), 2) == [("aws_vpc", 2), ("aws_subnet", 1)]
        assert unit.resource_search.types(ResourceQuery(provider="null"), 2) == [("null_resource", 1)]


def test_putting_changes_and_removes_only_what_it_is_told(known: SqlStore) -> None:
    with known.transaction() as unit:
        place = unit.workspaces.named("network").id
        before = dict(unit.indexed_resources.of_workspace(place))
        version = StateVersion(new_id("sv"), place, "", 2, "lin", "md5", AT, 9)
        unit.states.add(version, b"{}")
        assert unit.indexed_resources.behind(9) == [place]
        assert [each.id for each in unit.indexed_resources.following(place, 9)] == [version.id]
        changed = replace(before["aws_vpc.main"], instances=7, run_id="run-2")
        state = IndexedState(place, version.id, "1.16.0", readable=False)
        unit.indexed_resources.put(state, [changed], ["module.net.aws_subnet.a", "gone"])
    with known.reading() as unit:
        assert unit.indexed_resources.of_workspace(place) == {"aws_vpc.main": changed}
        assert unit.indexed_resources.indexed(place) == state
        assert unit.indexed_resources.behind(9) == []
        assert unit.resource_search.count(ResourceQuery()) == 3
