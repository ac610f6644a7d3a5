"""The events that deliveries mean, as stored documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, get_args

from bot.domain.events import Change, ChangeAction, ForgeEvent, Ignored, RepoRef

_KINDS: Mapping[str, type[ForgeEvent | Ignored]] = {
    kind.__name__: kind for kind in (*get_args(ForgeEvent), Ignored)
}


def _change(document: dict[str, Any]) -> Change:
    asked = tuple(document.get("asked", ()))
    return Change(**{**document, "repo": RepoRef(**document["repo"]), "asked": asked})


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "created_at": _moment,
    "at": _moment,
    "repo": lambda document: RepoRef(**document),
    "change": _change,
    "action": ChangeAction,
    # None: the forge did not say.
    "asked": lambda names: None if names is None else tuple(names),
}


def to_document(meaning: ForgeEvent | Ignored) -> bytes:
    """Return an event as JSON."""
    fields = {"kind": type(meaning).__name__, **asdict(meaning)}
    return json.dumps(fields, default=datetime.isoformat).encode()


def from_document(document: bytes) -> ForgeEvent | Ignored | None:
    """Return the event, None if another version of Plangate stored one that this version does not know."""
    fields = json.loads(document)
    kind = _KINDS.get(fields.pop("kind"))
    if kind is None:
        return None
    try:
        return kind(**{name: _READERS.get(name, _as_it_is)(value) for name, value in fields.items()})
    except (TypeError, ValueError, KeyError):
        return None


def _as_it_is(value: Any) -> Any:
    return value
