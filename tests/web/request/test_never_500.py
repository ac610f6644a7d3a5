"""Whatever is thrown at the server, it answers in its own words: never a 500."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import RunQuery
from bot.services.states.backend import Access
from tests.web.conftest import SECRET, World

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
ODD = st.sampled_from(
    [
        *("", " ", "\0", "a\0b", "é\u202e", "x" * 5000, "-1", "0", "9" * 40, "1e309", "NaN", "²", "1_000"),
        *(
            "../../etc/passwd",
            "..%2f",
            "//evil.example",
            "\\\\evil.example",
            "\r\nSet-Cookie: x=y",
            "<script>",
        ),
        *("2026-01-31", "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "[]", "{}", "null"),
        *("plan", "apply", "confirm", "retry", "csv", "env", "terraform", "destroy", "read", "all"),
        *("%FF", "%C0%AF", "%ED%A0%80", "%00"),
    ]
)
NAMES = (
    *(
        "page",
        "q",
        "show",
        "sort",
        "before",
        "now",
        "after",
        "ask",
        "force",
        "next",
        "code",
        "state",
        "error",
    ),
    *("person", "action", "workspace", "since", "until", "category", "key", "value", "keeps", "sensitive"),
    *("comment", "once", "name", "days", "scope", "message", "destroy", "replace", "target", "plan_only"),
    *(
        "reason",
        "hcl",
        "description",
        "everywhere",
        "workspaces",
        "kind",
        "module",
        "open",
        "about",
        "status",
    ),
)
FIELDS = st.dictionaries(st.sampled_from(NAMES), ODD, max_size=8)
SENT_ALONG = st.dictionaries(
    st.sampled_from(
        ["Origin", "Accept", "Last-Event-ID", "X-Plangate-Bare", "Content-Type", "Authorization"]
    ),
    st.sampled_from(["http://[::1", "null", "Basic \xff", "Basic eA==", ", ,", "\xff", "text/html;q=x"]),
    max_size=1,
)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(st.sampled_from(METHODS), PATHS, WORD, HEADERS, BODIES)
@example("GET", "/", "show=\x80", {}, b"")
@example("GET", "/", "", {"Host": ".."}, b"")
@example("GET", "/workspaces/\x00", "", {}, b"")
@example("POST", "/sign-in", "", {"Origin": "http://[::1"}, b"")
@example("GET", "/state/ws-x", "", {"Authorization": "Basic \xff"}, b"")
@example("POST", "/runs/run-x/confirm", "", {"Content-Type": "multipart/form-data; boundary="}, b"--")
def test_anything_at_all(
    lasting_world: World, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
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


@pytest.fixture(scope="module")
def secret(lasting_world: World) -> str:
    return lasting_world.services.tokens.make(
        Account("", "alice"), Person("alice", Role.NONE), "fuzz", "write"
    )


@RELAXED
@given(st.sampled_from(METHODS), PATHS, WORD, BODIES)
def test_anything_from_a_program_with_a_token(
    lasting_world: World, secret: str, method: str, path: str, query: str, body: bytes
) -> None:
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
def test_anything_that_is_signed(lasting_world: World, event: str, delivery: str, body: bytes) -> None:
    secret = SECRET.encode()
    headers = {
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
    }
    answer = lasting_world.client.post("/hooks/hub", data=body, headers=headers)
    assert answer.status_code in (200, 202, 400)


@RELAXED
@given(st.sampled_from(["GET", "POST", "DELETE", "LOCK", "UNLOCK"]), WORD, WORD, BODIES)
def test_anything_from_a_run_that_signed_in(
    lasting_world: World, method: str, lock_id: str, md5: str, body: bytes
) -> None:
    with lasting_world.services.store.reading() as tx:
        found = [w for w in tx.workspaces.all() if w.name == "fuzzed"]
        runs = tx.runs.queue(found[0].id) if found else []
    run = runs[0] if runs else lasting_world.run(lasting_world.workspace("fuzzed"), status=RunStatus.APPLYING)
    expires = lasting_world.services.clock.now() + timedelta(hours=1)
    token = lasting_world.services.states.token(run.id, run.workspace_id, Access.WRITE, expires)
    answer = lasting_world.client.open(
        f"/state/{run.workspace_id}",
        method=method,
        query_string={"ID": lock_id},
        data=body,
        headers={"Content-MD5": md5},
        auth=(run.id, token),
    )
    assert answer.status_code < 500


def written(fields: Mapping[str, str]) -> str:
    """Fields as a form or a query has them; what is odd in that form already stays as it is."""
    return "&".join(f"{name}={value if value[:1] == '%' else quote(value)}" for name, value in fields.items())


@settings(RELAXED, max_examples=300)
@given(st.data(), FIELDS, SENT_ALONG)
def test_anything_at_each_address_from_somebody_who_is_signed_in(
    lasting_world: World, data: st.DataObject, fields: dict[str, str], headers: dict[str, str]
) -> None:
    world = lasting_world
    with world.services.store.reading() as tx:
        found = [each for each in tx.workspaces.all() if each.name == "odd"]
    if found:
        workspace = found[0]
        with world.services.store.reading() as tx:
            run = tx.runs.find(RunQuery(workspace_id=workspace.id, limit=1))[0]
    else:
        workspace = world.workspace("odd")
        run = world.run(workspace, status=RunStatus.PLANNED)
    ours = {"name": "odd", "run_id": run.id, "workspace_id": workspace.id, "forge": "hub"}
    rules = [
        each
        for each in world.app.url_map.iter_rules()
        if each.endpoint not in ("sign_in.leave", "live.events")
    ]
    rule = data.draw(st.sampled_from(sorted(rules, key=str)))
    path = rule.rule
    for argument in sorted(rule.arguments):
        value = data.draw(st.just(ours[argument]) | ODD if argument in ours else ODD)
        path = re.sub(rf"<(?:path:)?{argument}>", value.replace("\\", "\\\\"), path)
    method = data.draw(st.sampled_from(sorted({*(rule.methods or ()), "POST"})))
    form = {**fields, "form_token": signed_in(world)}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = world.client.open(
        "/",
        method=method,
        headers=kind | headers,
        data=written(form) if method == "POST" else b"",
        environ_overrides={
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": written(fields),
        },
    )
    assert answer.status_code < 500 or rule.endpoint == "health.readyz", answer.get_data(as_text=True)


def signed_in(world: World) -> str:
    """The token that the forms of whoever is signed in carry; a new session where the last is over."""
    page = world.client.get("/workspaces/odd/queue-plan")
    if page.status_code == 303:
        world.sign_in()
    return world.form_token("/workspaces/odd/queue-plan")
