"""Asks the services of run tasks: the TaskCaller port, with HashiCorp's signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.domain.tasks.tasks import RunTask
from bot.integrations.calls import post
from bot.integrations.signature import signature
from bot.services.ports import TaskMailbox

SIGNATURE = "X-TFC-Task-Signature"


class SignedTaskCaller:
    """Implements TaskCaller. `mailboxes` are by the names of tasks."""

    def __init__(self, mailboxes: Mapping[str, TaskMailbox]) -> None:
        self._mailboxes = mailboxes

    def ask(self, task: RunTask, request: Mapping[str, Any]) -> None:
        """Send a request. Raises ReceiverAway, ReceiverRefused."""
        mailbox = self._mailboxes[task.name]
        body = json.dumps(request).encode()
        post(mailbox.url, body, {SIGNATURE: signature(mailbox.key, body)})
