"""Things to keep, complete but for what a test is about; and every thing of a type, for hypothesis."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any

from hypothesis import strategies as st

from bot.domain.events import Change, RepoRef
from bot.domain.ids import new_id
from bot.domain.reports.posts import PostContent, StatusPost
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.concurrency import Concurrency
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ChangeRecord, Delivery, Post, StateLock, StateVersion, Store

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REPO = RepoRef("github", "acme/infra")


def workspace(name: str = "network", **fields: Any) -> Workspace:
    return Workspace(**{"id": new_id("ws"), "name": name, "repo": REPO, **fields})


def run(place: Workspace, **fields: Any) -> Run:
    values: dict[str, Any] = {
        "id": new_id("run"),
        "workspace_id": place.id,
        "status": RunStatus.PENDING,
        "source": RunSource.MANUAL,
        "plan_only": False,
        "commit": "c0ffee",
        "branch": "main",
        "message": "Add a bucket",
        "created_by": "ann",
        "created_at": AT,
        "status_at": AT,
    }
    return Run(**{**values, **fields})


def event(of: Run, kind: str = "pending", at: datetime = AT) -> RunEvent:
    return RunEvent(of.id, at, kind, "ann", "because")


def delivery(identity: str = "d-1", **fields: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": identity,
        "forge": "github",
        "event": "push",
        "headers": {"X-GitHub-Event": "push"},
        "body": b'{"ref": "refs/heads/main"}',
        "received_at": AT,
    }
    return Delivery(**{**values, **fields})


def change(number: int = 7, **fields: Any) -> ChangeRecord:
    about = Change(REPO, number, "Add a bucket", "ann", "c0ffee", "topic", "main", False, "https://x/7")
    return ChangeRecord(
        **{"id": new_id("cv"), "change": about, "workspace_ids": ("ws-1",), "seen_at": AT, **fields}
    )


def status(words: str = "ok", state: StatusState = StatusState.SUCCESS) -> StatusPost:
    return StatusPost(StatusReport("c0ffee", "plan", state, words, "https://x/7"))


def post(key: str = "status:c0ffee:plan", content: PostContent | None = None, **fields: Any) -> Post:
    return Post(**{"subject": "run-1", "repo": REPO, "key": key, "content": content or status(), **fields})


def version(place: Workspace, serial: int, **fields: Any) -> StateVersion:
    values: dict[str, Any] = {
        "id": new_id("sv"),
        "workspace_id": place.id,
        "run_id": "",
        "serial": serial,
        "lineage": "a-lineage",
        "md5": "1B2M2Y8AsgTpgAmY7PhCfg==",
        "created_at": AT,
        "size": 5,
    }
    return StateVersion(**{**values, **fields})


def state_lock(place: Workspace, lock_id: str = "lock-1", run_id: str = "") -> StateLock:
    return StateLock(place.id, lock_id, run_id, '{"ID": "lock-1"}', AT)


def put(store: Store, *places: Workspace) -> Workspace:
    """Keep workspaces; return the first."""
    with store.transaction() as unit:
        kept = [unit.workspaces.put(place) for place in places or (workspace(),)]
    return kept[0]


def add(store: Store, one: Run) -> Run:
    """Keep a run."""
    with store.transaction() as unit:
        return unit.runs.add(one, event(one))


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_MOMENTS = st.datetimes(
    datetime(1990, 1, 1),
    datetime(2200, 1, 1),
    timezones=st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXTS,
    bool: st.booleans(),
    int: st.integers(0, 2**31 - 2),  # a version grows by one when it is saved
    bytes: st.binary(max_size=40),
    datetime: _MOMENTS,
    type(None): st.none(),
    # A group has a name: plangate.yml takes no other.
    Concurrency: st.builds(Concurrency, _TEXTS.filter(bool), st.integers(1, 2**31 - 2)),
}


def every(hint: Any) -> st.SearchStrategy[Any]:
    """Everything that a type can be: dataclasses with all their fields, whatever defaults these have."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case types.UnionType:
            return st.one_of([every(argument) for argument in arguments])
        case origin if origin is tuple and arguments[-1] is not ...:
            return st.tuples(*(every(argument) for argument in arguments))
        case origin if origin is tuple:
            return st.lists(every(arguments[0]), max_size=3).map(tuple)
        case origin if origin is Mapping:
            return st.dictionaries(every(arguments[0]), every(arguments[1]), max_size=3)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    assert isinstance(hint, type) and dataclasses.is_dataclass(hint), hint
    hints = typing.get_type_hints(hint)
    return st.builds(hint, **{field.name: every(hints[field.name]) for field in dataclasses.fields(hint)})
