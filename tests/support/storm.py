"""Many webhooks in little time: most are genuine, some are repeated, some are forged."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

CLIENTS = 16
REPEATED, FORGED = 0.1, 0.05


class Kind(Enum):
    """What a call is."""

    GENUINE = auto()
    REPEAT = auto()
    FORGED = auto()


@dataclass(frozen=True)
class Call:
    """One signed webhook call."""

    kind: Kind
    id: str
    body: bytes
    signature: str


@dataclass(frozen=True)
class Answer:
    """How a call was answered. `seconds` are from the moment when it was to be sent.

    A client that is late because of us counts as waiting.
    """

    call: Call
    status: int
    seconds: float


def push(branch: str, commit: str, repo: str = "acme/nowhere", size: int = 20_000) -> bytes:
    """Return the body of a push."""
    told = {
        "ref": f"refs/heads/{branch}",
        "before": "1" * 40,
        "after": commit,
        "repository": {"full_name": repo, "default_branch": "main"},
        "pusher": {"name": "storm"},
        "head_commit": {"id": commit, "message": "x" * size},
    }
    return json.dumps(told).encode()


def genuine(body: bytes, secret: str) -> Call:
    """Return a call as the forge makes it."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Call(Kind.GENUINE, str(uuid.uuid4()), body, f"sha256={digest}")


def stormy(bodies: Sequence[bytes], secret: str, seed: int) -> list[Call]:
    """Return calls with these bodies, in which repeats and forged calls take the place of others."""
    dice, found = random.Random(seed), list[Call]()
    for body in bodies:
        chance, past = dice.random(), [call for call in found[-100:] if call.kind is Kind.GENUINE]
        if chance < FORGED:
            call = genuine(body, "another secret")
            found.append(Call(Kind.FORGED, call.id, body, call.signature))
        elif chance < FORGED + REPEATED and past:
            first = dice.choice(past)
            found.append(Call(Kind.REPEAT, first.id, first.body, first.signature))
        else:
            found.append(genuine(body, secret))
    return found


def send(address: str, calls: Sequence[Call], rate: float) -> list[Answer]:
    """Send calls at a steady rate, each at its moment whether or not others are answered."""
    answers: list[Answer] = []
    begin = time.perf_counter() + 0.5

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=30)
        for index in range(number, len(calls), CLIENTS):
            call, due = calls[index], begin + index / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            headers = {
                "Content-Type": "application/json",
                "X-GitHub-Event": "push",
                "X-GitHub-Delivery": call.id,
                "X-Hub-Signature-256": call.signature,
            }
            connection.request("POST", "/hooks/github", call.body, headers)
            answer = connection.getresponse()
            answer.read()
            answers.append(Answer(call, answer.status, time.perf_counter() - due))
        connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return answers
