"""The view of a plan that is kept beside it: quick to read, without secrets, and made when it is missing."""

from __future__ import annotations

import json

import pytest

from bot.domain.plans.plan import Counts
from bot.domain.plans.view import ChangeKind, PlanSection
from bot.domain.workspaces.variables import Category, StoredVariable, Variable
from bot.services.plans.views import PlanView, PlanViews, packed
from bot.services.ports import ArtifactKind
from tests.fakes.engine import change, plan_json
from tests.fakes.house import House


def test_every_change_is_found_with_its_own_attributes() -> None:
    items = [change(f"a.b[{n}]", "update", before={"n": n}, after={"n": n + 1}) for n in range(130)]
    drift = [change("a.gone", "delete", before={"n": 0})]
    view = PlanView(packed(plan_json(*items, outputs={"url": ["create"]}, resource_drift=drift), ()))
    assert len(view.lists[PlanSection.CHANGES]) == 130
    for number in (0, 39, 40, 129):
        assert view.lists[PlanSection.CHANGES][number].address == f"a.b[{number}]"
        [row] = view.attributes(PlanSection.CHANGES, number).changed
        assert (row.before, row.after) == (str(number), str(number + 1))
    assert [row.name for row in view.attributes(PlanSection.DRIFT, 0).changed] == ["n"]
    assert view.attributes(PlanSection.OUTPUTS, 0).changed[0].after == '"url"'
    for odd in (130, -1):
        with pytest.raises(IndexError):
            view.attributes(PlanSection.CHANGES, odd)


def test_an_empty_plan_has_an_empty_view() -> None:
    view = PlanView(packed(plan_json(), ()))
    assert [list(view.lists[section]) for section in PlanSection] == [[], [], []]


def test_secrets_are_hidden_wherever_they_are() -> None:
    secret = "hunter22-and-more"
    item = change(
        f'module.m["{secret}"].a.b["{secret}"]',
        "update",
        before={"x": f"1 {secret}"},
        after={secret: json.dumps({"deep": secret}), "x": "2"},
        module_address=f'module.m["{secret}"]',
        previous_address=f"a.{secret}",
    )
    raw = packed(plan_json(item), (secret,))
    view = PlanView(raw)
    [head] = view.lists[PlanSection.CHANGES]
    assert head.name == 'a.b["***"]'
    assert secret not in repr(view.lists) + repr(view.attributes(PlanSection.CHANGES, 0))


def test_a_run_that_is_planned_keeps_its_view_and_one_that_takes_a_plan_over_takes_it_too(
    house: House,
) -> None:
    house.engine.state_here = True
    house.engine.will_find("net", change("a.b", "create", after={"n": 1}))
    house.workspace("net")
    house.open_change(1, "c1", "net/main.tf")
    preview = house.only_run()
    house.say(1, "/apply")
    applied = house.runs()[-1]
    assert applied.id != preview.id
    views = PlanViews(house.store)
    for run in (preview, applied):
        view = views.of(run.id)
        assert view is not None
        assert [head.deed for head in view.lists[PlanSection.CHANGES]] == [ChangeKind.CREATE]
        assert run.counts == Counts(add=1)


def test_a_plan_without_a_view_gets_one_that_is_kept(house: House) -> None:
    house.engine.will_find("net", change("a.b", "create", after={"token": "hunter22"}))
    workspace = house.workspace("net")
    with house.store.transaction() as tx:
        secret = Variable("token", "hunter22", Category.TERRAFORM, sensitive=True)
        tx.variables.put(StoredVariable("var-1", secret, "ann", house.clock.now()), workspace_id=workspace.id)
    house.open_change(1, "c1", "net/main.tf")
    run = house.only_run()
    with house.store.transaction() as tx:
        tx.artifacts.put(run.id, ArtifactKind.PLAN_VIEW, b"")
    view = PlanViews(house.store).of(run.id)
    assert view is not None
    assert view.attributes(PlanSection.CHANGES, 0).changed[0].after == '"***"'
    with house.store.reading() as tx:
        assert tx.artifacts.get(run.id, ArtifactKind.PLAN_VIEW)
    for raw in (b"rubbish", b"{}"):
        with house.store.transaction() as tx:
            tx.artifacts.put(run.id, ArtifactKind.PLAN_VIEW, b"")
            tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, raw)
        assert PlanViews(house.store).of(run.id) is None
