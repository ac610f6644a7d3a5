"""Whatever is thrown at the server, it answers in its own words: never a 500."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.domain.accounts import Account
from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Person, Role

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "LOCK", "UNLOCK", "OPTIONS", "TRACE", "PROPFIND"]
WORD = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=30)
PATHS = st.one_of(
    st.sampled_from(
        [
            "/",
            "/deliveries",
            "/tokens",
            "/tokens/tok-x/revoke",
            "/workspaces/network",
            "/workspaces/network/variables",
            "/variable-sets",
            "/variable-sets/x",
            "/hooks/hub",
            "/hooks/x",
            "/healthz",
            "/readyz",
            "/static/../app.py",
            "/static/%00",
            "/state/ws-x",
            "/runs/run-x",
            "/runs/run-x/output/plan",
            "/runs/run-x/confirm",
            "//evil.example/",
        ]
    ),
    st.text(max_size=40).map(lambda word: "/" + word),
    st.text(max_size=20).map(lambda word: "/runs/" + word),
    st.text(max_size=20).map(lambda word: "/workspaces/" + word),
    st.text(max_size=20).map(lambda word: "/state/" + word),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Host",
            "Cookie",
            "Origin",
            "Authorization",
            "Content-Type",
            "Content-MD5",
            "Content-Encoding",
            "Transfer-Encoding",
            "X-Forwarded-For",
            "X-Hub-Signature-256",
            "X-GitHub-Event",
            "X-GitHub-Delivery",
            "If-Modified-Since",
            "Range",
        ]
    ),
    WORD,
    max_size=5,
)
BODIES = st.one_of(
    st.binary(max_size=200), st.sampled_from([b"{}", b"[]", b"null", b"[" * 3000, b"payload=%7B"])
)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(st.sampled_from(METHODS), PATHS, WORD, HEADERS, BODIES)
@example("GET", "/", "show=\x80", {}, b"")
@example("GET", "/", "", {"Host": ".."}, b"")
@example("GET", "/workspaces/\x00", "", {}, b"")
@example("POST", "/runs/run-x/confirm", "", {"Content-Type": "multipart/form-data; boundary="}, b"--")
def test_anything_at_all(lasting_world, method, path, query, headers, body):
    client = lasting_world.app.test_client()
    url = path.encode("utf-8", "replace").decode("latin-1")
    answer = client.open(
        "/",
        method=method,
        headers=headers,
        data=body,
        environ_overrides={"PATH_INFO": url, "QUERY_STRING": query},
    )
    assert answer.status_code < 500, answer.get_data(as_text=True)


@RELAXED
@given(st.sampled_from(METHODS), PATHS, WORD, BODIES)
def test_anything_from_a_program_with_a_token(lasting_world, method, path, query, body):
    account = Account("", "alice")
    tokens = lasting_world.services.tokens
    for old in tokens.of(account):
        tokens.revoke(account, Person("alice", Role.NONE), old.id)
    secret = tokens.make(account, Person("alice", Role.NONE), "fuzz", "write")
    answer = lasting_world.app.test_client().open(
        "/",
        method=method,
        headers={"Authorization": f"Bearer {secret}"},
        data=body,
        environ_overrides={
            "PATH_INFO": path.encode("utf-8", "replace").decode("latin-1"),
            "QUERY_STRING": query,
        },
    )
    assert answer.status_code < 500, answer.get_data(as_text=True)


@RELAXED
@given(WORD, WORD, BODIES)
def test_anything_that_is_signed(lasting_world, event, delivery, body):
    secret = lasting_world.services.hooks["hub"].secrets[0].encode()
    headers = {
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
    }
    answer = lasting_world.client.post("/hooks/hub", data=body, headers=headers)
    assert answer.status_code in (200, 202, 400)


@RELAXED
@given(st.sampled_from(["GET", "POST", "DELETE", "LOCK", "UNLOCK"]), WORD, WORD, BODIES)
def test_anything_from_a_run_that_signed_in(lasting_world, method, lock_id, md5, body):
    with lasting_world.services.store.reading() as tx:
        found = [w for w in tx.workspaces.all() if w.name == "fuzzed"]
        runs = tx.runs.queue(found[0].id) if found else []
    run = runs[0] if runs else lasting_world.run(lasting_world.workspace("fuzzed"), status=RunStatus.APPLYING)
    expires = lasting_world.services.clock.now() + timedelta(hours=1)
    token = lasting_world.services.states.token(run.id, run.workspace_id, True, expires)
    answer = lasting_world.client.open(
        f"/state/{run.workspace_id}",
        method=method,
        query_string={"ID": lock_id},
        data=body,
        headers={"Content-MD5": md5},
        auth=(run.id, token),
    )
    assert answer.status_code < 500
