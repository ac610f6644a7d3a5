"""The way events leave the forge: signed, in order, by a thread of their own, with a log to resend from."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import random
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import httpx

from bot.playground.forge.model import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.playground.forge.model import Hook

# GitHub gives up on a receiver after this long, and does not try again by itself.
ANSWER_WITHIN = 10.0
# One that waits for another one before it.
_LONGEST = 3 * ANSWER_WITHIN
# How a GitLab signing token begins.
SIGNING_PREFIX = "whsec_"
LOST = "lost on its way"


@cache
def _trusted() -> ssl.SSLContext:
    """Read the certificates once, not for each playground: it takes longer than most calls."""
    return httpx.create_ssl_context()


@dataclass
class Delivery:
    """One webhook call. `status` is 0 while it waits and when nobody answered; `error` then says why."""

    id: str
    number: int
    hook: Hook
    event: str
    action: str
    headers: dict[str, str]
    body: bytes
    redelivery: bool = False
    status: int = 0
    error: str = ""
    duration: float = 0.0
    delivered_at: datetime = field(default_factory=now)
    sent: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    @property
    def delivered(self) -> bool:
        """Whether the receiver has taken it."""
        return 200 <= self.status < 300

    def wait(self) -> None:
        """Wait until it was sent, or nobody answered."""
        self.sent.wait(_LONGEST)

    def payload(self) -> dict[str, object]:
        """Read the body again."""
        found: dict[str, object] = json.loads(self.body)
        return found


def github_headers(hook: Hook, event: str, delivery_id: str, body: bytes) -> dict[str, str]:
    """Give the headers of a GitHub delivery; the signature covers the very bytes that are sent."""
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/playground",
        "X-GitHub-Delivery": delivery_id,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(hook.repo.id if hook.repo else hook.id),
        "X-GitHub-Hook-Installation-Target-Type": "repository" if hook.repo else "integration",
    }
    if hook.secret:
        digest = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={digest}"
    return headers


def gitlab_headers(hook: Hook, event: str, delivery_id: str, body: bytes) -> dict[str, str]:
    """Give the headers of a GitLab delivery: signed where the secret is a signing token, else with it.

    Source: https://docs.gitlab.com/user/project/integrations/webhooks/
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/playground",
        "Idempotency-Key": delivery_id,
        "X-Gitlab-Event": event,
        "X-Gitlab-Webhook-UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{hook.id}")),
        "X-Gitlab-Event-UUID": str(uuid.uuid4()),
    }
    if hook.secret.startswith(SIGNING_PREFIX):
        moment = str(int(time.time()))
        key = base64.b64decode(hook.secret.removeprefix(SIGNING_PREFIX))
        digest = hmac.new(key, f"{delivery_id}.{moment}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-id"] = delivery_id
        headers["webhook-timestamp"] = moment
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    elif hook.secret:
        headers["X-Gitlab-Token"] = hook.secret
    return headers


Headers = Callable[["Hook", str, str, bytes], dict[str, str]]


class Outbox:
    """The queue of deliveries and the thread that sends them."""

    def __init__(self) -> None:
        self.log: list[Delivery] = []
        self._queue: queue.Queue[Delivery | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._loss = 0.0
        self._dice = random.Random()  # noqa: S311 -- which deliveries are lost, for tests

    def lose(self, share: float, seed: int | None = None) -> None:
        """Lose this share of the deliveries from now on: nobody hears of them."""
        self._loss, self._dice = share, random.Random(seed)  # noqa: S311 -- as above

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._work, name="playground-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what is waiting, then stop."""
        if self._thread:
            self._queue.put(None)
            self._thread.join(ANSWER_WITHIN)
            self._thread = None

    def post(
        self, hook: Hook, event: str, payload: Mapping[str, object], headers: Headers, action: str
    ) -> Delivery:
        """Queue a delivery with the headers of one forge or the other."""
        body, delivery_id = json.dumps(payload, separators=(",", ":")).encode(), str(uuid.uuid4())
        sent = headers(hook, event, delivery_id, body)
        return self._enqueue(Delivery(delivery_id, 0, hook, event, action, sent, body))

    def redeliver(self, delivery_id: str) -> Delivery:
        """Send a delivery once more, with the id that it had."""
        with self._lock:
            found = next((one for one in self.log if one.id == delivery_id), None)
        if found is None:
            raise KeyError(delivery_id)
        return self.send_again(found)

    def send_again(self, attempt: Delivery) -> Delivery:
        """Send what an attempt brought once more, with the same id and a new signature."""
        hook, event = attempt.hook, attempt.event
        headers = gitlab_headers if hook.flavour == "gitlab" else github_headers
        sent = headers(hook, event, attempt.id, attempt.body)
        return self._enqueue(Delivery(attempt.id, 0, hook, event, attempt.action, sent, attempt.body, True))

    def ended(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """List the attempts that have ended, newest first, as far as the forge knows of them."""
        with self._lock:
            known = [one for one in self.log[::-1] if one.sent.is_set() and one.error != LOST]
        return [one for one in known if wanted(one)]

    def settle(self) -> None:
        """Wait until everything queued so far has been sent."""
        self._queue.join()

    def _enqueue(self, delivery: Delivery) -> Delivery:
        with self._lock:
            delivery.number = len(self.log) + 1
            self.log.append(delivery)
            self._queue.put(delivery)
        return delivery

    def _work(self) -> None:
        client: httpx.Client | None = None
        while (delivery := self._queue.get()) is not None:
            # The machine's proxies are not for the playground.
            client = client or httpx.Client(timeout=ANSWER_WITHIN, trust_env=False, verify=_trusted())
            try:
                self._send(client, delivery)
            finally:
                delivery.sent.set()
                self._queue.task_done()
        if client:
            client.close()
        self._queue.task_done()

    def _send(self, client: httpx.Client, delivery: Delivery) -> None:
        if self._loss and self._dice.random() < self._loss:
            delivery.error = LOST
            return
        began, delivery.delivered_at = time.monotonic(), now()
        try:
            answer = client.post(delivery.hook.url, content=delivery.body, headers=delivery.headers)
            delivery.status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            delivery.error = f"{type(problem).__name__}: {problem}"
        delivery.duration = time.monotonic() - began
