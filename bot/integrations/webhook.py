"""Generic webhooks, with the payload of HashiCorp's notifications.

Source: https://developer.hashicorp.com/terraform/enterprise/workspaces/settings/notifications
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.domain.notifications.destinations import Destination, Trigger
from bot.domain.notifications.messages import Message, MessageLine

SIGNATURE = "X-TFE-Notification-Signature"

_TRIGGERS = {
    Trigger.NEEDS_ATTENTION: "run:needs_attention",
    Trigger.ERRORED: "run:errored",
    Trigger.APPLIED: "run:completed",
    Trigger.DRIFTED: "assessment:drifted",
    # HashiCorp has no name for it.
    Trigger.DRIFT_RESOLVED: "assessment:drift_resolved",
    Trigger.APPROVAL_EXPIRING: "run:needs_attention",
    Trigger.TEST: "verification",
}


def webhook_body(destination: Destination, message: Message, organization: str) -> dict[str, Any]:
    """Return the body of the call: all lines are about one run. A test is about none, as HashiCorp's is."""
    first = message.lines[0]
    return {
        "payload_version": 1,
        "notification_configuration_id": destination.name,
        "run_url": first.url if first.run_id else None,
        "run_id": first.run_id or None,
        "run_message": first.run_message or None,
        "run_created_at": _moment(first.run_created_at),
        "run_created_by": first.run_created_by or None,
        "workspace_id": first.workspace_id or None,
        "workspace_name": first.workspace or None,
        "organization_name": organization,
        "notifications": [
            {
                "message": f"{line.workspace} {line.words}".strip(),
                "trigger": trigger_of(line),
                "run_status": line.run_status or None,
                "run_updated_at": _moment(line.at),
                "run_updated_by": line.run_created_by or None,
            }
            for line in message.lines
        ],
    }


def trigger_of(line: MessageLine) -> str:
    """Return HashiCorp's name of an event. It has none for failed policies: the run errored, or waits."""
    if line.trigger is Trigger.POLICY_FAILED:
        return "run:errored" if line.run_status == "errored" else "run:needs_attention"
    return _TRIGGERS[line.trigger]


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
