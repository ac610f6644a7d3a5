"""Whether plans of several workspaces are the same but for names: a comment shows one of them.

The plans' JSON is compared, never a rendered text. A workspace's name and its directory become marks of their
own, which no text can contain. So a plan is the same as another only if it is the other one with the names
put in place. Whoever shows one plan for several has to say which names stand in which place. All that a plan
shows is compared, also what is too long to be shown. One thing is not: the values that an update in place
leaves as they are, because each workspace has its own ids there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.plan_diff.summary import is_shown
from bot.domain.plan_diff.write_only import WriteOnly
from bot.domain.plans.at_apply import runs_at_apply

# Shorter texts, and those without a letter, may be a value that only looks like a name: `1`, `eu`.
_LEAST = 3
# What says what is done, and to what kind of thing: never a name of a workspace, whatever its name is.
_WORDS = ("mode", "type", "provider_name", "action_reason", "deposed")
_NAMED = ("address", "previous_address", "module_address", "name", "index")
_MARKS = ("after_unknown", "before_sensitive", "after_sensitive")
_WHOLE = ("before", "after", "before_identity", "after_identity", "importing", "generated_config")
_OTHER = ("deferred_changes", "action_invocations", "deferred_action_invocations", "checks")
_FLAGS = ("errored", "complete", "applyable")


def likeness(document: Mapping[str, Any], name: str, directory: str) -> str:
    """Return a hash, hexadecimal, that plans share only if they are the same but for names.

    `document` has exact numbers (`load_plan_json`). `name` and `directory` are the workspace's. Empty if the
    plan nests values too deeply.
    """
    try:
        form = json.dumps(_Form(name, directory).of(document), separators=(",", ":"))
    except RecursionError:
        return ""
    return hashlib.sha256(form.encode()).hexdigest()


class _Form:
    def __init__(self, name: str, directory: str) -> None:
        # One word as a directory may be a value that means something: `public-read`.
        folder = directory if "/" in directory else ""
        marks = {text: mark for mark, text in enumerate((name, folder)) if _is_name(text)}
        longest = sorted(marks, key=len, reverse=True)
        self._marks = marks
        # Only whole words: `app` does not match in `application`.
        self._pattern = (
            re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, longest))})(?![^\W_])") if marks else None
        )

    def of(self, document: Mapping[str, Any]) -> Any:
        write_only = WriteOnly(document)
        shown = [each for each in _objects(document, "resource_changes") if is_shown(each)]
        outputs = document.get("output_changes")
        return [
            self._sorted([self._resource(each, write_only) for each in shown]),
            self._sorted([self._resource(each, write_only) for each in _objects(document, "resource_drift")]),
            self._map(
                {name: self._change(each) for name, each in outputs.items() if _acts(each)}
                if isinstance(outputs, dict)
                else {}
            ),
            [self.value(document.get(key)) for key in _OTHER],
            [document.get(key) is True for key in _FLAGS],
            [
                [each.kind.value, self._text(each.address), self._text(each.detail)]
                for each in runs_at_apply(document)
            ],
        ]

    def value(self, value: Any) -> Any:
        """Return a form in which values of different types, and names and texts, are never equal."""
        match value:
            case dict():
                return self._map({key: self.value(each) for key, each in value.items()})
            case list():
                return [self.value(each) for each in value]
            case str():
                return {"text": self._text(value)}
            case Decimal():
                return {"number": str(value)}
            case _:
                return {"value": value}

    def _text(self, text: str) -> list[str | int]:
        """Return a text in pieces: a name is a number, so that no piece of text can pass for one."""
        if self._pattern is None:
            return [text]
        pieces = self._pattern.split(text)
        return [self._marks[piece] if odd % 2 else piece for odd, piece in enumerate(pieces)]

    def _map(self, formed: Mapping[str, Any]) -> Any:
        return {"map": self._sorted([[self._text(str(key)), each] for key, each in formed.items()])}

    def _resource(self, item: Mapping[str, Any], write_only: WriteOnly) -> Any:
        return [
            [_exact(item.get(key)) for key in _WORDS],
            [self.value(item.get(key)) for key in _NAMED],
            self._change(item.get("change")),
            write_only.attributes(item),
        ]

    def _change(self, change: Any) -> Any:
        if not isinstance(change, dict):
            return {"value": None}
        actions = change.get("actions")
        altered = actions == ["update"] and (found := _altered(change)) is not None
        if altered:
            change = found
        return [
            # A list of an output can look like the form of what an update alters.
            [_exact(actions), altered],
            [self.value(change.get(key)) for key in (*_WHOLE, *_MARKS)],
            self._sorted([self.value(path) for path in change.get("replace_paths") or ()]),
        ]

    @staticmethod
    def _sorted(forms: list[Any]) -> list[Any]:
        return sorted(forms, key=json.dumps)


def _is_name(text: str) -> bool:
    return len(text) >= _LEAST and any(map(str.isalpha, text))


def _acts(change: Any) -> bool:
    return not isinstance(change, dict) or change.get("actions") != ["no-op"]


def _altered(change: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an update without the values of the attributes that stay as they are; their names stay.

    None if one of the values is not an object.
    """
    before, after = change.get("before"), change.get("after")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return None
    marks = [found if isinstance(found := change.get(key), dict) else {} for key in _MARKS]
    same = [
        key
        for key in before.keys() & after.keys()
        if _exact(before[key]) == _exact(after[key])
        and not _is_marked(marks[0].get(key))
        and _exact(marks[1].get(key)) == _exact(marks[2].get(key))
    ]
    kept = dict.fromkeys(same)
    left = {key: before[key] for key in before.keys() - kept.keys()}
    found = {key: after[key] for key in after.keys() - kept.keys()}
    # Ids in a resource's identity are its own too.
    return {
        **change,
        "before": [sorted(same), left],
        "after": [sorted(same), found],
        "before_identity": None,
        "after_identity": None,
    }


def _exact(value: Any) -> str:
    return json.dumps(_typed(value), sort_keys=True)


def _typed(value: Any) -> Any:
    """Return a value in a form that JSON can have, with which no value of another type is equal."""
    match value:
        case dict():
            return {"map": {str(key): _typed(each) for key, each in value.items()}}
        case list():
            return [_typed(each) for each in value]
        case Decimal():
            return {"number": str(value)}
        case _:
            return value


def _is_marked(mark: Any) -> bool:
    """Whether a mark says true somewhere: an attribute is unknown, or a part of it."""
    if isinstance(mark, dict):
        return any(map(_is_marked, mark.values()))
    return any(map(_is_marked, mark)) if isinstance(mark, list) else mark is True


def _objects(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = document.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
