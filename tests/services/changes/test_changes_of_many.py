"""A change of many workspaces gets its previews in parts: each once, and nothing wrong is told in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.errors import ForgeRefused
from bot.domain.reports.report import StatusState
from bot.domain.runs.run import Run
from bot.services.changes.change_previews import AT_ONCE
from bot.services.ports import ChangeRecord
from tests.fakes.house import REPO, House

MANY = AT_ONCE + 10
FILES = [f"w{number:03}/x.tf" for number in range(MANY)]


class Killed(BaseException):
    """The process dies."""


@pytest.fixture
def many(house: House) -> House:
    for number in range(MANY):
        house.workspace(f"w{number:03}")
    return house


def after_first_part(house: House, act: Callable[[], object]) -> None:
    """Do something once the previews of the first part are stored: when the first of them is enqueued."""
    advance = house.dispatch.advance

    def acting(run: Run, *, swept: bool = False) -> None:
        house.dispatch.advance = advance  # type: ignore[method-assign]
        act()
        advance(run, swept=swept)

    house.dispatch.advance = acting  # type: ignore[method-assign]


def die() -> None:
    raise Killed


def record(house: House) -> ChangeRecord:
    with house.store.reading() as tx:
        found = tx.changes.numbered(REPO, 7)
    assert found is not None
    return found


def each_once(house: House, commit: str) -> bool:
    """Whether each workspace has exactly one run of a commit that was not canceled."""
    ids = [run.workspace_id for run in house.runs(commit=commit) if run.status.value != "canceled"]
    return len(ids) == len(set(ids)) == MANY


def test_every_workspace_is_previewed_and_the_delivery_tells_of_each(many: House) -> None:
    delivery = many.open_change(7, "c1", *FILES, work=False)
    many.work("receive")
    assert each_once(many, "c1")
    assert [decision.kind for decision in many.delivery(delivery).decisions] == [DecisionKind.PREVIEW] * MANY
    assert not record(many).deciding


def test_a_process_that_dies_between_two_parts_leaves_the_rest_to_the_next(many: House) -> None:
    many.open_change(7, "c0", *FILES)
    before = many.summary(7)
    delivery = many.update_change(7, "c1", *FILES, work=False)
    after_first_part(many, die)
    with pytest.raises(Killed):
        many.intake.handle(delivery)
    assert len(many.runs(commit="c1")) == AT_ONCE
    # Those that are there are planned and told of. The commit is not finished, and no old plan looks new.
    many.clock.forward(seconds=10)
    many.dispatch.lose_everything()
    with many.store.reading() as tx:
        runs = many.sweeping._runs(tx)
    for run in runs:
        many.execution.advance(run.id)
    many.report_delivery.report(record(many).id)
    assert many.said("c1") == ("pending", f"{MANY - AT_ONCE} of {MANY} workspaces are not finished")
    assert many.summary(7) == before
    many.sweep()
    assert each_once(many, "c1")
    assert many.status("c1").state is StatusState.SUCCESS
    assert many.summary(7) != before


def test_a_newer_head_between_two_parts_is_planned_and_nothing_else(many: House) -> None:
    many.open_change(7, "c1", *FILES, work=False)
    after_first_part(many, lambda: many.update_change(7, "c2", *FILES, by="bea", work=False))
    many.work()
    assert each_once(many, "c2")
    assert all(run.final for run in many.runs())
    assert record(many).pushers == ("bea",)
    assert many.status("c2").state is StatusState.SUCCESS


def test_another_webhook_between_two_parts_takes_over(many: House) -> None:
    """It is handled by another worker, whose look at the change is the later one."""
    first = many.open_change(7, "c1", *FILES, work=False)

    def take_over() -> None:
        many.intake.handle(many.update_change(7, "c2", *FILES, by="bea", work=False))

    after_first_part(many, take_over)
    many.work("receive")
    assert each_once(many, "c2")
    assert many.delivery(first).handled_at is not None
    assert not record(many).deciding


def test_a_webhook_leaves_the_previews_to_the_one_that_creates_them_already(many: House) -> None:
    first = many.open_change(7, "c1", *FILES, work=False)
    second = many.update_change(7, "c1", *FILES, by="bea", work=False)
    many.clock.forward(seconds=1)
    after_first_part(many, lambda: many.intake.handle(second))
    many.intake.handle(first)
    assert many.reasons(second) == ["another webhook of this change creates its plans"]
    assert record(many).pushers == ("bea",)
    assert each_once(many, "c1")


def test_a_change_that_is_closed_between_two_parts_gets_no_more_previews(many: House) -> None:
    many.open_change(7, "c1", *FILES, work=False)
    after_first_part(many, lambda: many.intake.handle(many.close_change(7, work=False)))
    many.work()
    assert len(many.runs()) == AT_ONCE
    assert all(run.final for run in many.runs())
    assert not record(many).deciding
    assert many.status("c1").state is StatusState.FAILURE


def test_a_delivery_that_is_given_up_between_two_parts_leaves_no_status_pending(many: House) -> None:
    delivery = many.open_change(7, "c1", *FILES, work=False)
    after_first_part(many, die)
    with pytest.raises(Killed):
        many.intake.handle(delivery)
    many.forge.fail(ForgeRefused("the App may not read it"), "files_of_change")
    many.intake.handle(delivery)
    many.sweep()
    words = f"Not planned: {MANY - AT_ONCE} of {MANY} workspaces, handling the webhook failed; comment /plan"
    assert many.said("c1") == ("error", words)
