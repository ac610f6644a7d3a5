"""Messengers that keep what they should carry; a test says how receivers answer."""

from __future__ import annotations

from collections import deque

from bot.domain.errors import ReceiverError
from bot.domain.notifications.destinations import Destination
from bot.domain.notifications.messages import Message


class FakeMessengers:
    """Implements Messengers. `answers` are raised, one for each message, until there are none left."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.answers: deque[ReceiverError] = deque()

    def send(self, destination: Destination, message: Message) -> str:
        if self.answers:
            raise self.answers.popleft()
        self.sent.append((destination.name, message))
        return "200 OK"

    def titles(self) -> list[str]:
        """Return the titles of what was sent, oldest first."""
        return [message.title for _, message in self.sent]
