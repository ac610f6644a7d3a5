"""Carries messages to the destinations of plangate.yml: the Messengers port."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bot.domain.errors import ReceiverRefused
from bot.domain.notifications.destinations import Destination, DestinationKind
from bot.domain.notifications.messages import Message
from bot.integrations.calls import post
from bot.integrations.mail import mail_of, send_mail
from bot.integrations.signature import signature
from bot.integrations.slack import slack_body
from bot.integrations.teams import teams_body
from bot.integrations.webhook import SIGNATURE, webhook_body
from bot.services.ports import Mailbox, MailServer


class Carriers:
    """Implements Messengers. `mailboxes` are by the names of destinations."""

    def __init__(
        self, mailboxes: Mapping[str, Mailbox], mail_server: MailServer | None, organization: str
    ) -> None:
        self._mailboxes = mailboxes
        self._mail_server = mail_server
        self._organization = organization

    def send(self, destination: Destination, message: Message) -> str:
        """Deliver a message and return the receiver's answer. Raises ReceiverAway, ReceiverRefused."""
        mailbox = self._mailboxes[destination.name]
        match destination.kind:
            case DestinationKind.SLACK:
                return post(mailbox.url, _json(slack_body(message)), {})
            case DestinationKind.TEAMS:
                return post(mailbox.url, _json(teams_body(message)), {})
            case DestinationKind.WEBHOOK:
                body = _json(webhook_body(destination, message, self._organization))
                signed = {SIGNATURE: signature(mailbox.key, body), "X-Plangate-Delivery": message.id}
                return post(mailbox.url, body, signed)
            case DestinationKind.EMAIL:
                if self._mail_server is None:
                    raise ReceiverRefused("PLANGATE_SMTP is not set")
                mail = mail_of(message, self._mail_server, mailbox.to)
                return send_mail(mail, self._mail_server)


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=True).encode()
