"""Whether a plan may be applied under the approval of another one: the one rule of promise 1.

Either it is the approved plan: the digests are equal. Or the run waited for other workspaces
(`depends_on`), and they were applied after the approved plan was made. Then it may differ from that plan only
in values that were unknown there and are known now. Everything else must be equal: which resources, which
actions, all other values before and after, the paths that force a replacement (there may be fewer),
providers, variables, files. People approved "(known after apply)" at these places, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.domain.plans.digest import DigestInputs, canonical_form

# The parts of the canonical form that have unknown values. `files` is compared whether it matters or not.
_WITH_UNKNOWNS = frozenset({"resources", "outputs", "files"})
# The parts of a change that the rule looks into. `after_sensitive` has marks at the places of values.
_OPEN = frozenset({"after", "after_unknown", "after_sensitive", "replace_paths"})


class PlanMatch(StrEnum):
    """What a plan is to the approved one."""

    SAME = "same"
    BECAME_KNOWN = "became known"
    """The same, but for values that were unknown in the approved plan."""
    OTHER = "other"


@dataclass(frozen=True)
class MadePlan:
    """A plan's digest, its JSON and what it was made of, as for the digest."""

    digest: str
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    around: DigestInputs = field(default_factory=DigestInputs, repr=False)


def match_plan(approved_digest: str, approved: MadePlan | None, now: MadePlan, *, waited: bool) -> PlanMatch:
    """Say whether a plan may be applied under the approval of a digest (promise 1).

    `approved` is the plan that was shown, None if it is gone. `waited` says that a workspace that the run
    waited for was applied since then. Raises RecursionError if values are nested too deeply.
    """
    if approved_digest and now.digest == approved_digest:
        return PlanMatch.SAME
    if not waited or approved is None or not approved_digest or approved.digest != approved_digest:
        return PlanMatch.OTHER
    if not approved.around.files or approved.around.files != now.around.files:
        return PlanMatch.OTHER
    old, new = canonical_form(approved.document, approved.around), canonical_form(now.document, now.around)
    closed = (old.keys() | new.keys()) - _WITH_UNKNOWNS
    same = all(_equal(old.get(part), new.get(part)) for part in closed)
    if same and _same_resources(old["resources"], new["resources"]) and _same_outputs(old, new):
        return PlanMatch.BECAME_KNOWN
    return PlanMatch.OTHER


def _same_resources(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> bool:
    return len(old) == len(new) and all(
        _equal(_without_change(one), _without_change(other)) and _covers(one["change"], other["change"])
        for one, other in zip(old, new, strict=True)
    )


def _without_change(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "change"}


def _same_outputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    before, now = old["outputs"], new["outputs"]
    return before.keys() == now.keys() and all(_covers(before[name], now[name]) for name in before)


def _covers(approved: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a change is the approved one, but for values that became known."""
    closed = (approved.keys() | now.keys()) - _OPEN
    if not all(_equal(approved.get(part), now.get(part)) for part in closed):
        return False
    forced = approved.get("replace_paths") or []
    if any(not any(_equal(path, each) for each in forced) for path in now.get("replace_paths") or []):
        return False
    unknown = approved.get("after_unknown")
    return (
        _settled(unknown, approved.get("after"), now.get("after"))
        and _settled(unknown, approved.get("after_sensitive"), now.get("after_sensitive"))
        and _no_more_unknown(unknown, now.get("after_unknown"))
    )


def _settled(unknown: Any, approved: Any, now: Any) -> bool:
    """Whether two values are equal wherever the approved one was known."""
    if unknown is True:
        return True
    if isinstance(unknown, dict) and isinstance(approved, dict) and isinstance(now, dict):
        # An unknown value is left out of its object.
        names = approved.keys() | now.keys()
        return all(
            _settled(unknown.get(name), approved.get(name), now.get(name))
            and _as_present(unknown.get(name), name in approved, name in now)
            for name in names
        )
    if isinstance(unknown, list) and isinstance(approved, list) and isinstance(now, list):
        marks = [*unknown, *(False for _ in range(len(approved) - len(unknown)))]
        return len(marks) == len(approved) == len(now) and all(map(_settled, marks, approved, now))
    return _equal(approved, now)


def _as_present(unknown: Any, was: bool, now: bool) -> bool:
    """Whether a key is there in both, or its value was unknown: the keys of a map count, too."""
    return was == now or _has_unknown(unknown)


def _no_more_unknown(approved: Any, now: Any) -> bool:
    """Whether all that is unknown now was unknown in the approved plan."""
    if approved is True or not _has_unknown(now):
        return True
    if isinstance(now, dict) and isinstance(approved, dict):
        return all(_no_more_unknown(approved.get(name), mark) for name, mark in now.items())
    if isinstance(now, list) and isinstance(approved, list):
        old = [*approved, *(False for _ in range(len(now) - len(approved)))]
        return all(map(_no_more_unknown, old, now))
    return False


def _has_unknown(mark: Any) -> bool:
    if isinstance(mark, dict):
        return any(map(_has_unknown, mark.values()))
    if isinstance(mark, list):
        return any(map(_has_unknown, mark))
    return mark is True


def _equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same in type, too: to Python, `1` equals `true`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
