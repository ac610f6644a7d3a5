"""Each kind of destination, against a receiver of the test's own, with hostile text in every place."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from bot.domain.errors import ReceiverAway, ReceiverRefused
from bot.domain.notifications.destinations import Destination, DestinationKind, Trigger
from bot.domain.notifications.messages import Message, MessageLine, one_line
from bot.domain.tasks.tasks import RunTask, TaskStage
from bot.integrations import calls
from bot.integrations.messengers import Carriers
from bot.integrations.run_tasks import SignedTaskCaller
from bot.services.ports import Mailbox, MailServer, TaskMailbox
from tests.support.receivers import HttpReceiver, MailReceiver, http_receiver, mail_receiver

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = (
    "</h3><script>x</script> <!channel> <https://evil.test|click> [a](https://evil.test) **b** & "
    "\u202eoot\r\nBcc: x@evil.test"
)
CLEAN = one_line(HOSTILE)
URL = "https://plangate.test/changes/chg-1"


def message(title: str = CLEAN, trigger: Trigger = Trigger.ERRORED, **fields: object) -> Message:
    about = {
        "workspace": "net",
        "workspace_id": "ws-1",
        "run_id": "run-1",
        "url": "https://plangate.test/runs/run-1",
        "detail": "during the apply",
        "run_status": "errored",
        "run_message": CLEAN,
        "run_created_at": AT,
        "run_created_by": "ann",
        **fields,
    }
    line = MessageLine(trigger, AT, **about)  # type: ignore[arg-type]  # fields of a test's own
    return Message("ntf-1", title, URL, (line,), more=3)


def send(kind: DestinationKind, mailbox: Mailbox, what: Message, server: MailServer | None = None) -> str:
    carriers = Carriers({"ops": mailbox}, server, "acme")
    return carriers.send(Destination("ops", kind), what)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as found:
        yield found


@pytest.fixture
def mails() -> Iterator[MailReceiver]:
    with mail_receiver() as found:
        yield found


def texts(value: object) -> Iterator[str]:
    """Yield every text of a document."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def test_text_of_people_is_one_printable_line() -> None:
    assert "\n" not in CLEAN and "\r" not in CLEAN and "\u202e" not in CLEAN
    assert len(one_line("x" * 1000)) == 200


def test_slack_gets_hostile_text_only_where_it_knows_no_markup(receiver: HttpReceiver) -> None:
    answer = send(DestinationKind.SLACK, Mailbox(f"{receiver.url}/services/T/B/secret"), message())
    assert answer == "200 OK"
    body = json.loads(receiver.calls[0].body)
    marked = [b["text"]["text"] for b in body["blocks"] if b.get("text", {}).get("type") == "mrkdwn"]
    assert marked == [f"<{URL}|Open>"]
    assert "<" not in body["text"] and "&lt;!channel&gt;" in body["text"]
    assert body["blocks"][1]["text"] == {
        "type": "plain_text", "text": "net errored: during the apply", "emoji": False,
    }  # fmt: skip
    assert body["blocks"][1]["accessory"]["url"] == "https://plangate.test/runs/run-1"
    assert "and 3 more" in set(texts(body))


def test_teams_gets_a_card_without_markdown(receiver: HttpReceiver) -> None:
    send(DestinationKind.TEAMS, Mailbox(f"{receiver.url}/workflows?sig=secret"), message())
    assert receiver.calls[0].path == "/workflows?sig=secret"
    (attachment,) = json.loads(receiver.calls[0].body)["attachments"]
    card = attachment["content"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert card["body"][0]["inlines"][0]["text"] == CLEAN
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open", "url": URL}]


def test_a_webhook_has_hashicorps_payload_and_signature(receiver: HttpReceiver) -> None:
    send(DestinationKind.WEBHOOK, Mailbox(f"{receiver.url}/hook", key="the key"), message())
    call = receiver.calls[0]
    wanted = hmac.new(b"the key", call.body, hashlib.sha512).hexdigest()
    assert call.headers["x-tfe-notification-signature"] == wanted
    assert call.headers["x-plangate-delivery"] == "ntf-1"
    assert json.loads(call.body) == {
        "payload_version": 1,
        "notification_configuration_id": "ops",
        "run_url": "https://plangate.test/runs/run-1",
        "run_id": "run-1",
        "run_message": CLEAN,
        "run_created_at": "2026-01-02T03:04:05Z",
        "run_created_by": "ann",
        "workspace_id": "ws-1",
        "workspace_name": "net",
        "organization_name": "acme",
        "notifications": [
            {
                "message": "net errored: during the apply",
                "trigger": "run:errored",
                "run_status": "errored",
                "run_updated_at": "2026-01-02T03:04:05Z",
                "run_updated_by": "ann",
            }
        ],
    }


def test_a_test_of_a_webhook_is_a_verification_without_a_run(receiver: HttpReceiver) -> None:
    test = Message("ntf-2", "Test", URL, (MessageLine(Trigger.TEST, AT),))
    send(DestinationKind.WEBHOOK, Mailbox(receiver.url, key="k"), test)
    body = json.loads(receiver.calls[0].body)
    assert (body["run_id"], body["run_url"], body["workspace_id"]) == (None, None, None)
    assert body["notifications"][0]["trigger"] == "verification"


@pytest.mark.parametrize(
    ("trigger", "status", "name"),
    [
        (Trigger.NEEDS_ATTENTION, "planned", "run:needs_attention"),
        (Trigger.APPLIED, "applied", "run:completed"),
        (Trigger.POLICY_FAILED, "policy_override", "run:needs_attention"),
        (Trigger.POLICY_FAILED, "errored", "run:errored"),
        (Trigger.APPROVAL_EXPIRING, "planned", "run:needs_attention"),
        (Trigger.DRIFTED, "", "assessment:drifted"),
    ],
)
def test_events_have_hashicorps_names(
    receiver: HttpReceiver, trigger: Trigger, status: str, name: str
) -> None:
    send(DestinationKind.WEBHOOK, Mailbox(receiver.url, key="k"), message("x", trigger, run_status=status))
    assert json.loads(receiver.calls[0].body)["notifications"][0]["trigger"] == name


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


def test_a_mail_keeps_hostile_text_out_of_its_headers_and_its_markup(mails: MailReceiver) -> None:
    server = MailServer("127.0.0.1", mails.port, "plangate@example.com")
    to = Mailbox(to=("ops@example.com", "sre@example.com"))
    # A title with a line break can't come from `compose`. It would not break out either.
    answer = send(DestinationKind.EMAIL, to, message("Fix\r\nBcc: x@evil.test <b>"), server)
    assert answer == "accepted"
    ((recipients, mail),) = mails.mails
    assert recipients == ["ops@example.com", "sre@example.com"]
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[plangate] Fix Bcc: x@evil.test <b>"
    assert mail["From"] == "plangate@example.com" and mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == "<ntf-1@example.com>"
    html, plain = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None and plain is not None
    tags = _Tags()
    tags.feed(html.get_content())
    assert set(tags.found) == {"html", "body", "h3", "a", "ul", "li", "p"}
    assert set(tags.links) == {URL, "https://plangate.test/runs/run-1"}
    assert "net errored: during the apply\nhttps://plangate.test/runs/run-1" in plain.get_content().replace(
        "\r\n", "\n"
    )


def test_what_a_mail_server_refuses_for_now_is_tried_again(mails: MailReceiver) -> None:
    server = MailServer("127.0.0.1", mails.port, "plangate@example.com")
    to = Mailbox(to=("ops@example.com", "sre@example.com"))
    mails.refuses = {"ops@example.com": "451 later", "sre@example.com": "451 later"}
    with pytest.raises(ReceiverAway, match="451"):
        send(DestinationKind.EMAIL, to, message(), server)
    mails.refuses = {"ops@example.com": "550 unknown", "sre@example.com": "550 unknown"}
    with pytest.raises(ReceiverRefused, match="550"):
        send(DestinationKind.EMAIL, to, message(), server)
    mails.refuses = {"ops@example.com": "550 unknown"}
    assert send(DestinationKind.EMAIL, to, message(), server) == "accepted, but not for 1 recipients"


def test_a_mail_server_elsewhere_must_encrypt(mails: MailReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MailServer, "here", False)
    server = MailServer("127.0.0.1", mails.port, "plangate@example.com", user="u", password="p4ss")
    with pytest.raises(ReceiverRefused, match="no encryption"):
        send(DestinationKind.EMAIL, Mailbox(to=("ops@example.com",)), message(), server)
    assert mails.mails == [] and "p4ss" not in repr(server)


# --- what a call refuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(receiver: HttpReceiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"Location": f"{receiver.url}/inside"}
    with pytest.raises(ReceiverRefused, match="a redirect"):
        calls.post(f"{receiver.url}/hook", b"{}", {})
    assert [call.path for call in receiver.calls] == ["/hook"]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_work_later_is_told_apart(receiver: HttpReceiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"Retry-After": "120"}
    with pytest.raises(ReceiverAway) as caught:
        calls.post(receiver.url, b"{}", {})
    assert caught.value.retry_after == 120
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_is_refused_says_its_status_and_no_address(receiver: HttpReceiver, status: int) -> None:
    receiver.status, receiver.answer = status, b"<b>why</b>"
    with pytest.raises(ReceiverRefused) as caught:
        calls.post(f"{receiver.url}/services/secret", b"{}", {})
    assert str(status) in str(caught.value)
    assert "secret" not in str(caught.value) and "<b>" not in str(caught.value)


def test_an_answer_of_any_size_is_read_only_so_far(receiver: HttpReceiver) -> None:
    receiver.answer = b"x" * (4 * calls.MOST_READ)
    assert calls.post(receiver.url, b"{}", {}) == "200 OK"


def test_a_receiver_that_is_not_there_is_away_and_its_address_is_not_said() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ReceiverAway) as caught:
        calls.post(f"http://127.0.0.1:{port}/secret", b"{}", {})
    assert "127.0.0.1" not in str(caught.value) and "secret" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ReceiverAway, match="in time"):
        calls.post(f"http://127.0.0.1:{silent.getsockname()[1]}/", b"{}", {})


# --- run tasks ----------------------------------------------------------------------------------------------


def test_a_run_task_gets_a_signed_request(receiver: HttpReceiver) -> None:
    caller = SignedTaskCaller({"cost": TaskMailbox(f"{receiver.url}/task", "the key")})
    caller.ask(RunTask("cost", (TaskStage.POST_PLAN,)), {"stage": "post_plan", "access_token": "t"})
    (call,) = receiver.calls
    wanted = hmac.new(b"the key", call.body, hashlib.sha512).hexdigest()
    assert call.headers["x-tfc-task-signature"] == wanted
    assert json.loads(call.body) == {"stage": "post_plan", "access_token": "t"}
    receiver.status = 500
    with pytest.raises(ReceiverAway):
        caller.ask(RunTask("cost", (TaskStage.POST_PLAN,)), {})
