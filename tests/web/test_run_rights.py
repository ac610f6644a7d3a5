"""Who sees and may press what on a run's page: every role, button and status; also by direct request."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.lifecycle import FINAL, RunStatus, StageStatus
from bot.domain.permissions import Role
from bot.domain.policy import Level, Outcome, PolicyCheck
from bot.services.ports import SetVersion

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
    S.CONFIRMED: {"cancel"},
    S.APPLY_QUEUED: {"cancel"},
    S.APPLYING: {"cancel"},
    **{status: {"retry"} for status in FINAL},
}


def a_run(world, status, name):
    run = world.run(world.workspace(name), status=status, plan_status=StageStatus.FINISHED)
    failed = PolicyCheck("cost", "v1", "monthly", Level.SOFT, Outcome.FAILED, ("too much",))
    with world.services.store.transaction() as tx:
        tx.policies.keep_version(SetVersion("v1", "cost", "policies/cost", "", {}, run.created_at))
        tx.policies.put(run.id, [failed])
    return run


@pytest.mark.parametrize("status", RunStatus)
def test_what_is_offered_can_be_pressed_and_nothing_else(world, status):
    for role in ROLES:
        client = world.visitor(role.name.lower(), role)
        offered = {verb for verb in LEGAL[status] if role >= VERBS[verb]}
        shown = a_run(world, status, f"shown-{role.name}")
        page = client.get(f"/runs/{shown.id}").get_data(as_text=True)
        assert set(re.findall(r'id="ask-([a-z-]+)"', page)) == offered, role
        token = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
        assert token
        for verb in VERBS.keys() - offered:
            answer = client.post(f"/runs/{shown.id}/{verb}", data={"form_token": token[1], "comment": "so"})
            # What is put aside already is put aside: whoever presses that too late has what they wished for.
            done = status is RunStatus.DISCARDED and verb == "discard" and role >= Role.WRITE
            assert answer.status_code in ((303,) if done else (403, 409)), (role, verb)
        assert world.reload(shown) == shown
        for verb in offered:
            run = a_run(world, status, f"{verb}-{role.name}")
            answer = client.post(f"/runs/{run.id}/{verb}", data={"form_token": token[1], "comment": "so"})
            assert answer.status_code == 303, (role, verb)
            assert verb == "retry" or world.reload(run) != run


WORDS = st.text(max_size=40)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["", "/news", "/resources", "/resources/changes/{}", "/lines/{}", "/lines/plan", "/{}"]),
    st.dictionaries(
        st.sampled_from(["after", "do", "q", "from", "module", "see", "before"]),
        st.one_of(WORDS, st.integers().map(str)),
    ),
    WORDS,
)
def test_whatever_is_asked_of_a_run_there_is_an_answer(lasting_world, path, query, word):
    with lasting_world.services.store.reading() as tx:
        known = [w for w in tx.workspaces.all() if w.name == "asked"]
        runs = tx.runs.queue(known[0].id) if known else []
    run = runs[0] if runs else a_run(lasting_world, RunStatus.PLANNED, "asked")
    word = word.replace("/", "") or "x"
    answer = lasting_world.client.get(f"/runs/{run.id}{path.format(word)}", query_string=query)
    assert answer.status_code < 500
