"""Who sees and may press what on a run's page: every role, button and status; also by direct request."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.people.permissions import Role
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.runs.lifecycle import FINAL, RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.services.ports import SetVersion
from tests.web.conftest import World

ROLES = (Role.READ, Role.PLAN, Role.WRITE, Role.ADMIN, Role.OWNER)
VERBS = {
    "confirm": Role.WRITE, "override": Role.OWNER, "discard": Role.WRITE, "cancel": Role.WRITE,
    "force-cancel": Role.ADMIN, "retry": Role.WRITE,
}  # fmt: skip
S = RunStatus
LEGAL = {
    S.PENDING: {"discard", "cancel"},
    S.FETCHING: {"cancel"},
    S.FETCHING_COMPLETED: {"cancel"},
    S.PLAN_QUEUED: {"cancel"},
    S.PLANNING: {"cancel"},
    S.PLANNED: {"confirm", "discard"},
    S.POLICY_CHECKING: {"cancel"},
    S.POLICY_OVERRIDE: {"override", "discard"},
    S.POLICY_CHECKED: {"confirm", "discard"},
    S.PLANNED_AND_SAVED: {"confirm", "discard"},
    S.CONFIRMED: {"cancel"},
    S.APPLY_QUEUED: {"cancel"},
    S.APPLYING: {"cancel"},
    **{status: {"retry"} for status in FINAL},
}


PREVIEWS = {
    S.PENDING: {"cancel"},
    S.FETCHING: {"cancel"},
    S.FETCHING_COMPLETED: {"cancel"},
    S.PLAN_QUEUED: {"cancel"},
    S.PLANNING: {"cancel"},
    S.POLICY_CHECKING: {"cancel"},
    **{status: {"retry"} for status in FINAL - {S.APPLIED, S.DISCARDED}},
}
"""What may be done with a plan-only run, in the statuses that it can have; who may plan may retry it."""

STOPPING: dict[S, set[str]] = {
    status: {"force-cancel"} for status in S if "cancel" in LEGAL[status] and status is not S.PENDING
}
"""What may be done with a run that was canceled longer than the cool-off ago."""

KINDS: tuple[tuple[str, dict[S, set[str]]], ...] = (
    ("run", LEGAL),
    ("preview", PREVIEWS),
    ("stopping", STOPPING),
)


def a_run(world: World, status: RunStatus, name: str, kind: str = "run") -> Run:
    about: dict[str, Any] = {"plan_only": True} if kind == "preview" else {}
    if kind == "stopping":
        long_ago = world.services.clock.now() - timedelta(minutes=5)
        about = {"cancel_requested_by": "bob", "cancel_requested_at": long_ago}
    run = world.run(world.workspace(name), status=status, plan_status=StageStatus.FINISHED, **about)
    failed = PolicyCheck("cost", "v1", "monthly", EnforcementLevel.SOFT, PolicyOutcome.FAILED, ("too much",))
    with world.services.store.transaction() as tx:
        tx.policies.keep_version(SetVersion("v1", "cost", "policies/cost", "", {}, run.created_at))
        tx.policies.put(run.id, [failed])
    return run


@pytest.mark.parametrize(
    ("kind", "status"), [(kind, each) for kind, legal in KINDS for each in S if each in legal], ids=str
)
def test_what_is_offered_can_be_pressed_and_nothing_else(world: World, kind: str, status: RunStatus) -> None:
    legal = dict(KINDS)[kind][status]
    needs = VERBS | ({"retry": Role.PLAN} if kind == "preview" else {})
    for role in ROLES:
        client = world.visitor(role.name.lower(), role)
        offered = {verb for verb in legal if role >= needs[verb]}
        shown = a_run(world, status, f"shown-{role.name}", kind)
        page = client.get(f"/runs/{shown.id}").get_data(as_text=True)
        assert set(re.findall(r'id="ask-([a-z-]+)"', page)) == offered, role
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
        assert token

        def press(verb: str, run: Run, client: FlaskClient = client, token: str = token[1]) -> int:
            sent = {"form_token": token, "comment": "so"}
            return client.post(f"/runs/{run.id}/{verb}", data=sent).status_code

        for verb in needs.keys() - offered:
            # What is put aside already is put aside: whoever presses that too late has what they wished for.
            done = status is RunStatus.DISCARDED and verb == "discard" and role >= Role.WRITE
            assert press(verb, shown) in ((303,) if done else (403, 409)), (role, verb)
        assert world.reload(shown) == shown
        for verb in offered:
            run = a_run(world, status, f"{verb}-{role.name}", kind)
            assert press(verb, run) == 303, (role, verb)
            assert verb == "retry" or world.reload(run) != run
        may_comment = role >= Role.PLAN
        assert (f"/runs/{shown.id}/comment" in page) is may_comment
        assert press("comment", shown) == (303 if may_comment else 403)


WORDS = st.text(max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["", "/news", "/resources", "/resources/changes/{}", "/lines/{}", "/lines/plan", "/{}"]),
    st.dictionaries(
        st.sampled_from(["after", "do", "q", "from", "module", "see", "before"]),
        st.one_of(WORDS, st.integers().map(str)),
    ),
    WORDS,
)
def test_whatever_is_asked_of_a_run_there_is_an_answer(
    lasting_world: World, path: str, query: str, word: str
) -> None:
    with lasting_world.services.store.reading() as tx:
        known = [w for w in tx.workspaces.all() if w.name == "asked"]
        runs = tx.runs.queue(known[0].id) if known else []
    run = runs[0] if runs else a_run(lasting_world, RunStatus.PLANNED, "asked")
    word = quote(word.replace("/", "") or "x", safe="", errors="replace")
    answer = lasting_world.client.get(f"/runs/{run.id}{path.format(word)}", query_string=query)
    assert answer.status_code < 500
