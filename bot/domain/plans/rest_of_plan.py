"""Whether a plan is exactly what is left of an approved one, whose apply ended half-way (promise 1).

The configuration decides what a plan says, so nothing is believed: both saved plans are compared change by
change, and the states from before and after the apply say what was done. A change is left

- **untouched**: the state records of its object what it did before. The plan must have the very change that
  was approved, but for values that are known now.
- **unfinished, tainted**: the object was to be created, and was not there before; or it was to be deleted and
  created again. It is tainted now, because its provisioner failed, and Terraform plans to delete exactly this
  object and to create it again. What is deleted was made by this apply, or its deletion was approved.
  Terraform runs no destroy-time provisioner for a tainted object, and what is created was approved.
- **unfinished, gone**: the object was to be deleted and created again, and is gone now. The plan only creates
  it: the other half of what was approved.

Everything else was done, and the plan must not touch it again. A change that was neither done nor is
planned now, one that was not approved, another provider, variable or file: then a person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.plans.approved_plan import WITH_UNKNOWNS, MadePlan, covers_change, equal, without_change
from bot.domain.plans.digest import canonical_form

Key = tuple[str, str]
"""The address of an object, as in plans, and the key of a deposed one, else an empty string."""


@dataclass(frozen=True)
class StateObject:
    """What a state records of one object. `tainted`: its creation failed, and the next plan replaces it."""

    record: Mapping[str, Any] = field(repr=False)
    tainted: bool = False


Objects = Mapping[Key, StateObject]

_CREATE, _REPLACE, _READ = ["create"], ["delete", "create"], ["read"]
_TAINTED = "replace_because_tainted"
# What a change says of the object as it is before.
_BEFORE = ("actions", "before", "before_sensitive", "before_identity")


@dataclass(frozen=True)
class HalfDone:
    """What an apply has left: the states before and after it.

    `begun` are the resources that it began and did not end: only for the words, from Terraform's output.
    """

    before: Objects = field(repr=False)
    after: Objects = field(repr=False)
    begun: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rest:
    """How many changes of the approved plan are done, have failed, and were not begun."""

    done: int
    failed: int
    left: int

    @property
    def words(self) -> str:
        """Say it in a line: `7 done, 1 failed, 4 left: the plan is exactly the rest`."""
        return f"{self.done} done, {self.failed} failed, {self.left} left: the plan is exactly the rest"


def rest_of(approved_digest: str, approved: MadePlan, now: MadePlan, apply: HalfDone) -> Rest | None:
    """Say what is left if a plan is exactly the rest of the approved one. None if it is anything else.

    `approved` is the plan that was applied. Raises RecursionError if values are nested too deeply.
    """
    if not approved_digest or approved.digest != approved_digest or not now.digest:
        return None
    if not approved.around.files or approved.around.files != now.around.files:
        return None
    if approved.around.refresh_only or now.around.refresh_only:
        return None
    old, new = canonical_form(approved.document, approved.around), canonical_form(now.document, now.around)
    closed = (old.keys() | new.keys()) - WITH_UNKNOWNS
    if not all(equal(old.get(part), new.get(part)) for part in closed):
        return None
    # Nothing records whether an action was invoked.
    if old["invocations"] or new["invocations"] or not _outputs_left(old["outputs"], new["outputs"]):
        return None
    return _counted(old["resources"], new["resources"], _reasons(now.document), apply)


def _counted(
    old: list[dict[str, Any]], new: list[dict[str, Any]], reasons: Mapping[Key, str], apply: HalfDone
) -> Rest | None:
    wanted, planned = _by_key(old), _by_key(new)
    if wanted is None or planned is None or not planned.keys() <= wanted.keys():
        return None
    done = failed = left = 0
    for key, resource in wanted.items():
        now = planned.get(key)
        if resource["change"].get("actions") == _READ:
            # Reading changes nothing, so it may be done again.
            if now is not None and not _same(resource, now):
                return None
            continue
        before, after = apply.before.get(key), apply.after.get(key)
        if now is None:
            if _same_record(before, after):
                return None
            done += 1
            continue
        if _same_record(before, after):
            fits = _same(resource, now)
            unfinished = key[0] in apply.begun
        else:
            fits = _is_unfinished(resource, now, before, after, reasons.get(key, ""))
            unfinished = True
        if not fits:
            return None
        failed, left = failed + unfinished, left + (not unfinished)
    return Rest(done, failed, left)


def _same(approved: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a change is the approved one, but for values that are known now."""
    alike = equal(without_change(approved), without_change(now))
    return alike and covers_change(approved["change"], now["change"])


def _is_unfinished(
    approved: Mapping[str, Any],
    now: Mapping[str, Any],
    before: StateObject | None,
    after: StateObject | None,
    reason: str,
) -> bool:
    """Whether a change ends what the apply began: the object is tainted now, or only its old one is gone."""
    was, is_now = approved["change"].get("actions"), now["change"].get("actions")
    made_here = (was == _CREATE and before is None) or (was == _REPLACE and before is not None)
    tainted = made_here and is_now == _REPLACE and after is not None and after.tainted and reason == _TAINTED
    gone = was == _REPLACE and is_now == _CREATE and before is not None and after is None
    if not tainted and not (gone and now["change"].get("before") is None):
        return False
    if approved["deposed"] or approved["previous_address"] or approved["change"].get("importing"):
        return False
    # What is created is compared as if the object had not been touched.
    as_approved = {**now["change"], **{part: approved["change"].get(part) for part in _BEFORE}}
    return _same(approved, {**now, "change": as_approved})


def _outputs_left(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return new.keys() <= old.keys() and all(covers_change(old[name], new[name]) for name in new)


def _same_record(one: StateObject | None, other: StateObject | None) -> bool:
    if one is None or other is None:
        return one is other
    return equal(dict(one.record), dict(other.record))


def _by_key(resources: list[dict[str, Any]]) -> dict[Key, dict[str, Any]] | None:
    """Return the resources of a canonical form by address and deposed key. None if two have the same."""
    found = {(str(each["address"]), str(each["deposed"] or "")): each for each in resources}
    return found if len(found) == len(resources) else None


def _reasons(document: Mapping[str, Any]) -> dict[Key, str]:
    """Return why the plan takes its actions, as Terraform says it."""
    return {
        (str(item.get("address")), str(item.get("deposed") or "")): str(item.get("action_reason") or "")
        for item in document.get("resource_changes") or ()
    }
