"""How far each repository is known, and the handled commit of each branch."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.events import RepoRef
from bot.services.ports.catching_up import HandledHead, RepoWatch
from bot.services.ports.deliveries import FOUND_PUSH
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, delivery

REPO, OTHER = RepoRef("github", "acme/infra"), RepoRef("gitlab", "acme/infra")
WATCH = RepoWatch(REPO, AT + MINUTE, AT, AT - MINUTE, {"/pulls": 'W/"1"'}, 4, "github failed (502)")


def test_every_field_comes_back_and_is_changed(store: SqlStore) -> None:
    with store.transaction() as unit:
        assert unit.repo_watches.get(REPO) is None
        unit.repo_watches.put(WATCH)
        unit.repo_watches.put(replace(WATCH, repo=OTHER, since=None, error=""))
    changed = replace(WATCH, since=AT, marks={}, calls=9, due_at=AT, checked_at=AT + MINUTE, error="")
    with store.transaction() as unit:
        assert unit.repo_watches.get(REPO) == WATCH
        unit.repo_watches.put(changed)
    with store.reading() as unit:
        assert unit.repo_watches.get(REPO) == changed
        assert {watch.repo: watch.since for watch in unit.repo_watches.all()} == {REPO: AT, OTHER: None}


def test_all_are_made_due_and_none_later_than_it_was(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.repo_watches.put(WATCH)
        unit.repo_watches.put(replace(WATCH, repo=OTHER, due_at=AT - MINUTE))
        unit.repo_watches.all_due(AT)
        assert {watch.repo: watch.due_at for watch in unit.repo_watches.all()} == {
            REPO: AT,
            OTHER: AT - MINUTE,
        }


def test_a_branch_has_the_commit_that_was_handled_last(store: SqlStore) -> None:
    with store.transaction() as unit:
        assert unit.repo_watches.head(REPO, "main") is None
        unit.repo_watches.moved(REPO, "main", "c1", AT)
        unit.repo_watches.moved(REPO, "main", "c2", AT + MINUTE)
        unit.repo_watches.moved(REPO, "staging", "c3", AT)
        assert unit.repo_watches.head(REPO, "main") == HandledHead("c2", AT + MINUTE)
        assert unit.repo_watches.head(OTHER, "main") is None


def test_a_delivery_waits_until_it_was_tried(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.deliveries.add(delivery("d-1", repo=REPO.path))
        assert unit.repo_watches.waits(REPO, AT + MINUTE)
        assert not unit.repo_watches.waits(REPO, AT)
        assert not unit.repo_watches.waits(OTHER, AT + MINUTE)
        unit.deliveries.failed("d-1", "github failed (502)")
        assert not unit.repo_watches.waits(REPO, AT + MINUTE)
        unit.deliveries.add(delivery("d-2", repo=REPO.path))
        unit.deliveries.handled("d-2", AT, [])
        assert not unit.repo_watches.waits(REPO, AT + MINUTE)


def test_a_found_push_is_overtaken_by_any_delivery_and_overtakes_every_push(store: SqlStore) -> None:
    with store.transaction() as unit:
        found = delivery("found-1", event=FOUND_PUSH)
        pushed = delivery("d-1", received_at=AT + MINUTE, event="push")
        again = delivery("found-2", received_at=AT + 2 * MINUTE, event=FOUND_PUSH)
        unit.deliveries.add(found)
        assert not unit.deliveries.overtaken(found)
        unit.deliveries.add(pushed)
        assert unit.deliveries.overtaken(found)
        assert not unit.deliveries.overtaken(pushed)
        unit.deliveries.add(again)
        assert unit.deliveries.overtaken(pushed)
