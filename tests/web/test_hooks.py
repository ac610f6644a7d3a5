"""Webhooks: what is taken in, what is refused, and that nothing half done is left behind."""

from __future__ import annotations

import io
import json
from urllib.parse import urlencode

import pytest

PING = json.dumps({"zen": "Keep it logically awesome.", "hook_id": 1}).encode()


def stored(world):
    with world.services.store.reading() as tx:
        return [tx.deliveries.get(one.id) for one in tx.deliveries.recent(100)]


def post(world, body=PING, client=None, **kwargs):
    path, headers = world.deliver(body, **kwargs)
    return (client or world.client).post(path, data=body, headers=headers)


def test_a_signed_delivery_is_stored_before_it_is_answered(world):
    body = json.dumps({"ref": "refs/heads/main", "deleted": True, "after": "0" * 40}).encode()
    answer = post(world, body, event="push", delivery="d-7")
    assert (answer.status_code, answer.get_json()["delivery"]) == (202, "d-7")
    [delivery] = stored(world)
    assert (delivery.id, delivery.forge, delivery.event, delivery.body) == ("d-7", "hub", "push", body)
    assert delivery.received_at == world.services.clock.now()
    assert delivery.headers == {"x-github-event": "push", "content-type": "application/json"}


def test_a_repeat_is_not_stored_again(world):
    assert post(world).status_code == 202
    again = post(world)
    assert (again.status_code, again.get_json()["repeat"]) == (200, True)
    assert len(stored(world)) == 1


def test_an_unknown_event_is_stored_and_answered_with_the_reason(world):
    body = b'{"action": "created", "repository": {"full_name": "Acme/Infra"}}'
    answer = post(world, body, event="star")
    assert answer.status_code == 202
    assert "star events lead to nothing" in answer.get_json()["ignored"]
    assert [delivery.repo for delivery in stored(world)] == ["acme/infra"]


def test_a_form_encoded_delivery_works(world):
    body = urlencode({"payload": PING.decode()}).encode()
    answer = post(world, body, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 202
    assert stored(world)[0].body == body


@pytest.mark.parametrize("signature", ["", "sha256=" + "0" * 64, "sha1=abc", "é", "sha256="])
def test_a_wrong_signature_is_refused_and_leaves_nothing(world, signature):
    answer = post(world, **{"X-Hub-Signature-256": signature})
    assert answer.status_code == 401
    assert "signature" in answer.get_json()["error"]
    assert stored(world) == []


def test_a_signed_body_that_was_changed_is_refused(world):
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
def test_what_is_malformed_is_refused_with_what_is_wrong(world, body, changes, says):
    answer = post(world, body, **changes)
    assert answer.status_code == 400
    assert says in answer.get_json()["error"]
    assert stored(world) == []


def test_an_unknown_forge_and_a_wrong_method(world):
    assert world.client.post("/hooks/nowhere", data=PING).status_code == 404
    answer = world.client.get("/hooks/hub")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "error" in answer.get_json()


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(world, monkeypatch):
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


def test_a_chunked_body_is_read_to_its_end(world):
    path, headers = world.deliver(PING)
    answer = world.client.post(
        path,
        input_stream=io.BytesIO(PING),
        headers=headers | {"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 202


def test_a_database_that_is_down_makes_the_delivery_fail_at_the_forge(world):
    world.services.intake.broken = True
    answer = post(world)
    assert answer.status_code == 503
    assert "disk" not in answer.get_data(as_text=True)
    world.services.intake.broken = False
    assert stored(world) == []
    assert post(world).status_code == 202, "sent again, it is taken in"
