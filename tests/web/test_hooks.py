"""Webhooks: what is taken in, what is refused, and that nothing half done is left behind."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.events import BranchPushed, RepoRef
from bot.services.ports import Delivery
from bot.web import create_app
from tests.web.conftest import World

PING = json.dumps({"zen": "Keep it logically awesome.", "hook_id": 1}).encode()


def stored(world: World) -> list[Delivery]:
    with world.services.store.reading() as tx:
        return [tx.deliveries.get(one.id) for one in tx.deliveries.recent(100)]


def post(world: World, body: bytes = PING, client: FlaskClient | None = None, **kwargs: Any) -> TestResponse:
    path, headers = world.deliver(body, **kwargs)
    return (client or world.client).post(path, data=body, headers=headers)


def test_a_signed_delivery_is_stored_before_it_is_answered(world: World) -> None:
    body = json.dumps({"ref": "refs/heads/main", "deleted": True, "after": "0" * 40}).encode()
    answer = post(world, body, event="push", delivery="d-7")
    assert (answer.status_code, answer.get_json()["delivery"]) == (202, "d-7")
    [delivery] = stored(world)
    assert (delivery.id, delivery.forge, delivery.event, delivery.body) == ("d-7", "hub", "push", body)
    assert delivery.received_at == world.services.clock.now()
    assert delivery.headers == {"x-github-event": "push", "content-type": "application/json"}


def test_what_a_body_means_is_stored_with_it(world: World) -> None:
    repository = {"full_name": "acme/infra", "default_branch": "main"}
    head = {"ref": "refs/heads/main", "before": "a" * 40, "after": "b" * 40, "repository": repository}
    body = json.dumps(
        head | {"sender": {"login": "ann"}, "head_commit": {"message": "Add a bucket"}}
    ).encode()
    assert post(world, body, event="push").status_code == 202
    repo = RepoRef("hub", "acme/infra")
    pushed = BranchPushed(repo, "main", "a" * 40, "b" * 40, "ann", "Add a bucket", "main")
    assert [delivery.meaning for delivery in stored(world)] == [pushed]


def test_a_repeat_is_not_stored_again(world: World) -> None:
    assert post(world).status_code == 202
    again = post(world)
    assert (again.status_code, again.get_json()["repeat"]) == (200, True)
    assert len(stored(world)) == 1


def test_an_unknown_event_is_stored_and_answered_with_the_reason(world: World) -> None:
    body = b'{"action": "created", "repository": {"full_name": "Acme/Infra"}}'
    answer = post(world, body, event="star")
    assert answer.status_code == 202
    assert "star events are ignored" in answer.get_json()["ignored"]
    assert [delivery.repo for delivery in stored(world)] == ["acme/infra"]


def test_a_form_encoded_delivery_works(world: World) -> None:
    body = urlencode({"payload": PING.decode()}).encode()
    form: dict[str, Any] = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = post(world, body, **form)
    assert answer.status_code == 202
    assert stored(world)[0].body == body


@pytest.mark.parametrize("signature", ["", "sha256=" + "0" * 64, "sha1=abc", "é", "sha256="])
def test_a_wrong_signature_is_refused_and_leaves_nothing(world: World, signature: str) -> None:
    wrong: dict[str, Any] = {"X-Hub-Signature-256": signature}
    answer = post(world, **wrong)
    assert answer.status_code == 401
    assert "signature" in answer.get_json()["error"]
    assert stored(world) == []


def test_a_signed_body_that_was_changed_is_refused(world: World) -> None:
    path, headers = world.deliver(PING)
    assert world.client.post(path, data=PING + b" ", headers=headers).status_code == 401
    assert stored(world) == []


@pytest.mark.parametrize(
    ("body", "changes", "says"),
    [
        (b"{", {}, "not JSON"),
        (b"[]", {}, "not a JSON object"),
        (b"{}", {"event": "push"}, "ref"),
        (PING, {"delivery": ""}, "X-GitHub-Delivery"),
        (PING, {"delivery": "a b"}, "X-GitHub-Delivery"),
        (PING, {"event": ""}, "X-GitHub-Event"),
    ],
)
def test_what_is_malformed_is_refused_with_what_is_wrong(
    world: World, body: bytes, changes: dict[str, Any], says: str
) -> None:
    answer = post(world, body, **changes)
    assert answer.status_code == 400
    assert says in answer.get_json()["error"]
    assert stored(world) == []


def test_an_unknown_forge_and_a_wrong_method(world: World) -> None:
    assert world.client.post("/hooks/nowhere", data=PING).status_code == 404
    answer = world.client.get("/hooks/hub")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "error" in answer.get_json()


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.hooks.HOOK_LIMIT", 1000)
    large = b'{"pad": "' + b"x" * 2000 + b'"}'
    path, headers = world.deliver(large)
    assert world.client.post(path, data=large, headers=headers).status_code == 413
    chunked = world.client.post(
        path,
        input_stream=io.BytesIO(large),
        headers=headers | {"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert chunked.status_code == 413
    assert stored(world) == []


def test_a_chunked_body_is_read_to_its_end(world: World) -> None:
    path, headers = world.deliver(PING)
    answer = world.client.post(
        path,
        input_stream=io.BytesIO(PING),
        headers=headers | {"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 202


def test_a_database_that_is_down_makes_the_delivery_fail_at_the_forge(world: World) -> None:
    class FullDisk:
        def accept(self, delivery: Delivery) -> None:
            raise OSError("the disk is full")

    path, headers = world.deliver(PING)
    intake: Any = FullDisk()
    services = replace(world.services, intake=intake)
    answer = create_app(services).test_client().post(path, data=PING, headers=headers)
    assert answer.status_code == 503
    assert "disk" not in answer.get_data(as_text=True)
    assert stored(world) == []
    assert post(world).status_code == 202, "sent again, it is taken in"
