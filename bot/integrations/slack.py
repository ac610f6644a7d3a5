"""Slack's incoming webhooks: a message as blocks.

Text from outside stands only in `plain_text` elements, where Slack knows no markup, or is escaped. Links
have our own addresses. Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

from typing import Any

from bot.domain.notifications.messages import Message, MessageLine

# Slack refuses more blocks than 50, and a longer header than 150 characters.
_LONGEST_HEADER = 150


def slack_body(message: Message) -> dict[str, Any]:
    """Return the body of the call."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.title[:_LONGEST_HEADER])},
        *(_line(line) for line in message.lines),
    ]
    if message.rest:
        blocks.append({"type": "context", "elements": [_plain(message.rest)]})
    blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{_link(message.url)}|Open>"}})
    # Shown where no blocks are: in the notification of a phone.
    return {"text": escaped(message.title), "blocks": blocks, "unfurl_links": False}


def _line(line: MessageLine) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "section", "text": _plain(f"{line.workspace} {line.words}".strip())}
    if line.url:
        found["accessory"] = {"type": "button", "text": _plain("Open"), "url": line.url}
    return found


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text or " ", "emoji": False}


def _link(url: str) -> str:
    return escaped(url).replace("|", "%7C")


def escaped(text: str) -> str:
    """Return text in which nothing is a link, a mention or a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
