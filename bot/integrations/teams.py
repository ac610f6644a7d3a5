"""Microsoft Teams' workflows for webhooks: a message as an Adaptive Card.

All text stands in text runs, which know no Markdown. Links are actions with our own addresses.
Source: https://learn.microsoft.com/en-us/adaptive-cards/authoring-cards/text-features
"""

from __future__ import annotations

from typing import Any

from bot.domain.notifications.messages import Message

_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"


def teams_body(message: Message) -> dict[str, Any]:
    """Return the body of the call."""
    texts = [f"{line.workspace} {line.words}".strip() for line in message.lines]
    body = [
        _text(message.title, weight="Bolder", size="Medium"),
        *(_text(text) for text in (*texts, message.rest) if text),
    ]
    card = {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": message.url}],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _text(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}
