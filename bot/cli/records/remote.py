"""Records of a server elsewhere, which is asked over HTTP with a token.

Its answers are spelled as in HashiCorp's API if that has a name. Here they become the documents that the
commands print of the database, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bot.cli.records.connection import LARGEST_STATE, Fields, ServerConnection
from bot.cli.records.records import Document, PlanWish, VariablePlace, VariableWish
from bot.cli.records.shapes import BadAnswer, Nullable, Texts, shaped
from bot.domain.errors import Invalid, NotFound

_TEXT = Nullable(str)
_RUN = {
    "status": str,
    "source": str,
    "plan-only": bool,
    "commit": str,
    "base-commit": _TEXT,
    "merge-commit": _TEXT,
    "branch": _TEXT,
    "change": Nullable(int),
    "message": str,
    "created-by": str,
    "created-at": datetime,
    "status-at": datetime,
    "auto-apply": bool,
    "is-destroy": bool,
    "refresh-only": bool,
    "replace-addrs": [str],
    "target-addrs": [str],
    "plan-status": str,
    "apply-status": str,
    "has-changes": Nullable(bool),
    "resource-additions": Nullable(int),
    "resource-changes": Nullable(int),
    "resource-destructions": Nullable(int),
    "resource-imports": Nullable(int),
    "confirmed-by": _TEXT,
    "delta": _TEXT,
    "lacks": _TEXT,
    "error": _TEXT,
    "waits": _TEXT,
    "workspace-name": str,
    "actions": {
        "is-confirmable": bool,
        "is-discardable": bool,
        "is-cancelable": bool,
        "is-force-cancelable": bool,
        "is-retryable": bool,
    },
}
_ACTIONS = {
    "cancel": "is-cancelable",
    "confirm": "is-confirmable",
    "discard": "is-discardable",
    "force-cancel": "is-force-cancelable",
    "retry": "is-retryable",
}
_EVENT = {"at": datetime, "kind": str, "actor": str, "message": str}
_WORKSPACE = {
    "id": str,
    "name": str,
    "repository": str,
    "branch": _TEXT,
    "working_directory": str,
    "auto_apply": bool,
    "allowed_modes": [str],
    "run_triggers": [str],
    "depends_on": [str],
    "share_state_with": [str],
    "inputs": Texts(),
    "queue": int,
    "lock": Nullable({"by": str, "reason": str, "at": datetime}),
    "state_lock": Nullable({"run": _TEXT, "id": str, "at": datetime}),
}
_VARIABLE = {
    "key": str,
    "value": _TEXT,
    "category": str,
    "hcl": bool,
    "sensitive": bool,
    "phase": str,
    "description": str,
    "from_set": _TEXT,
    "set_by": str,
    "at": datetime,
    "hidden_by": _TEXT,
}
_STATE = {
    "id": str,
    "serial": int,
    "lineage": str,
    "md5": str,
    "size": int,
    "created_at": datetime,
    "run": _TEXT,
    "made_by": _TEXT,
    "note": str,
    "refused": _TEXT,
    "current": bool,
}
_CONTENTS = {
    "terraform_version": str,
    "outputs": [{"name": str, "type": str, "sensitive": bool, "value": _TEXT}],
    "resources": [{"address": str, "provider": str, "instances": int}],
}
_SECTION = {
    "name": str,
    "touched": bool,
    "sentences": [str],
    "requirements": [{"requirement": str, "met": bool, "why": str}],
    "run": _TEXT,
}
_WHY = {
    "about": str,
    "commit": str,
    "workspaces": [_SECTION],
    "others": [_SECTION],
    "merging": _TEXT,
    "problem": _TEXT,
}
_PIECE = {"text": str, "anew": bool, "after": str, "complete": bool}

_MOST_PAGES = 1000
_PAGINATION = {"meta": {"pagination": {"next-page": Nullable(int), "total-count": Nullable(int)}}}


class RemoteRecords:
    """Asks a server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    # --- runs -----------------------------------------------------------------------------------------------

    def queue_plan(self, workspace: str, wish: PlanWish) -> Document:
        """Queue a plan; return its run."""
        modes = wish.modes
        form = {
            "message": wish.message,
            "replace": "\n".join(modes.replace_addrs),
            "target": "\n".join(modes.target_addrs),
            **({"plan_only": "on"} if wish.plan_only else {}),
            **({"destroy": "on"} if modes.destroy else {}),
            **({"refresh_only": "on"} if modes.refresh_only else {}),
        }
        return _run(self._connection.post(f"{_workspace_path(workspace)}/queue-plan", form))

    def runs(self, workspace: str, statuses: Sequence[str], limit: int) -> Sequence[Document]:
        """Return the newest runs of a workspace; of all without a name."""
        path = _workspace_path(workspace) if workspace else "/runs"
        found = (_run_of(each) for each in self._pages(path, {"status": list(statuses)}))
        return _first(found, limit)

    def run(self, run_id: str) -> Document:
        """Return a run with its `timeline`."""
        answer = self._connection.get(_run_path(run_id))
        events = shaped(answer, {"included": [{"attributes": _EVENT}]}, "answer")["included"]
        return {**_run(answer), "timeline": [each["attributes"] for each in events]}

    def plan_text(self, run_id: str) -> str:
        """Return a run's plan as text, empty if it has none."""
        try:
            answer = self._connection.fetch("GET", f"{_run_path(run_id)}/plan.txt")
        except NotFound:
            return ""
        return answer.body.decode("utf-8", "replace").removesuffix("\n")

    def act(self, run_id: str, verb: str, comment: str) -> Document:
        """Confirm, discard, cancel, force-cancel or retry a run; return the run, of a retry the new one."""
        return _run(self._connection.post(f"{_run_path(run_id)}/{verb}", {"comment": comment}))

    def output(self, run_id: str, stage: str, after: str) -> Document:
        """Return a piece of a stage's output."""
        answer = self._connection.get(f"{_run_path(run_id)}/output/{stage}", {"after": after})
        return _attributes(answer, _PIECE)

    # --- workspaces -----------------------------------------------------------------------------------------

    def workspaces(self) -> Sequence[Document]:
        """Return all workspaces, by name."""
        return [_underscored(each, _WORKSPACE) for each in self._pages("/", {})]

    def lock(self, workspace: str, reason: str) -> Document:
        """Lock a workspace, and return it."""
        return self._held(workspace, "lock", {"reason": reason})

    def unlock(self, workspace: str, *, force: bool) -> Document:
        """Unlock a workspace, and return it."""
        return self._held(workspace, "unlock", query={"force": "yes"} if force else {})

    def release_state(self, workspace: str) -> Document:
        """Release Terraform's lock on a workspace's state, and return the workspace."""
        return self._held(workspace, "release-state")

    def _held(
        self, workspace: str, verb: str, form: Fields | None = None, query: Fields | None = None
    ) -> Document:
        answer = self._connection.post(f"{_workspace_path(workspace)}/{verb}", form, query)
        return _underscored(_data(answer), _WORKSPACE)

    # --- variables ------------------------------------------------------------------------------------------

    def variables(self, place: VariablePlace) -> Sequence[Document]:
        """Return the variables that reach a workspace."""
        answer = self._connection.get(_variables_path(place))
        return [_underscored(each, _VARIABLE) for each in shaped(answer, {"data": [dict]}, "answer")["data"]]

    def set_variable(self, place: VariablePlace, wish: VariableWish) -> Document:
        """Set a variable, and return it. The value travels in the body, never in an address (promise 6)."""
        fields = {
            "key": wish.key,
            "category": wish.category,
            "value": wish.value,
            "hcl": None if wish.hcl is None else str(wish.hcl).lower(),
            "sensitive": str(wish.sensitive).lower(),
            "description": wish.description,
            "phase": wish.phase,
        }
        form = {name: value for name, value in fields.items() if value is not None}
        return _underscored(_data(self._connection.post(_variables_path(place), form)), _VARIABLE)

    def unset_variable(self, place: VariablePlace, category: str, key: str, phase: str) -> None:
        """Remove a variable."""
        form = {"category": category, "key": key, "phase": phase}
        self._connection.post(f"{_variables_path(place)}/unset", form)

    # --- states ---------------------------------------------------------------------------------------------

    def states(self, workspace: str, limit: int) -> Sequence[Document]:
        """Return the newest versions of a workspace's state."""
        found = self._pages(f"{_workspace_path(workspace)}/states", {})
        return _first((_underscored(each, _STATE) for each in found), limit)

    def state(self, workspace: str, version: str) -> Document:
        """Return a version with its outputs and resources; without an id, the current one."""
        answer = self._connection.get(self._state_path(workspace, version))
        return _underscored(_data(answer), {**_STATE, **_CONTENTS})

    def state_data(self, workspace: str, version: str) -> tuple[Document, bytes]:
        """Return the `id` and the `serial` of a version, and the state with its secrets."""
        path = f"{self._state_path(workspace, version)}/download"
        answer = self._connection.fetch("GET", path, largest=LARGEST_STATE)
        found, serial = (answer.headers.get(f"X-Plangate-State-{name}", "") for name in ("Version", "Serial"))
        if not found or not (serial.isascii() and serial.isdigit()):
            raise BadAnswer("the server's answer is not a version of a state: check its address")
        return {"id": found, "serial": int(serial[:20])}, answer.body

    def _state_path(self, workspace: str, version: str) -> str:
        path = f"{_workspace_path(workspace)}/states"
        if not version:
            found = (_underscored(each, _STATE) for each in self._pages(path, {}))
            version = next((one["id"] for one in found if one["current"]), "")
            if not version:
                raise NotFound("this workspace has no state here yet")
        return f"{path}/{_named(version, 'version of a state')}"

    # --- why ------------------------------------------------------------------------------------------------

    def why(self, about: str) -> Document:
        """Say why a run or a change is where it is."""
        return _attributes(self._connection.get("/why", {"about": about}), _WHY)

    def _pages(self, path: str, query: Fields) -> Iterator[Mapping[str, Any]]:
        """Yield what a list has, each once: the list may grow while it is read."""
        seen: set[str] = set()
        for number in range(1, _MOST_PAGES):
            answer = self._connection.get(path, {**query, "page": str(number)})
            found = shaped(answer, {"data": [dict]}, "answer")["data"]
            new = [each for each in found if str(each.get("id")) not in seen]
            yield from new
            seen |= {str(each.get("id")) for each in found}
            pages = shaped(answer, _PAGINATION, "answer")["meta"]["pagination"]
            total = pages["total-count"]
            if not new or (pages["next-page"] is None and (total is None or len(seen) >= total)):
                return


def _run(answer: Any) -> dict[str, Any]:
    return _run_of(_data(answer))


def _run_of(data: Mapping[str, Any]) -> dict[str, Any]:
    found = shaped(data, {"id": str, "attributes": _RUN, "links": {"html": str}})
    about = found["attributes"]
    counted = about["resource-additions"] is not None
    return {
        "id": found["id"],
        "workspace": about["workspace-name"],
        "status": about["status"],
        "source": about["source"],
        "plan_only": about["plan-only"],
        "commit": about["commit"],
        "base_commit": about["base-commit"],
        "merge_commit": about["merge-commit"],
        "branch": about["branch"],
        "change": about["change"],
        "message": about["message"],
        "created_by": about["created-by"],
        "created_at": about["created-at"],
        "status_at": about["status-at"],
        "auto_apply": about["auto-apply"],
        "modes": {
            "destroy": about["is-destroy"],
            "refresh_only": about["refresh-only"],
            "replace": about["replace-addrs"],
            "target": about["target-addrs"],
        },
        "plan": about["plan-status"],
        "apply": about["apply-status"],
        "has_changes": about["has-changes"],
        "counts": {
            "add": about["resource-additions"],
            "change": about["resource-changes"] or 0,
            "destroy": about["resource-destructions"] or 0,
            "imports": about["resource-imports"] or 0,
        }
        if counted
        else None,
        "confirmed_by": about["confirmed-by"] or None,
        "delta": about["delta"] or None,
        "lacks": about["lacks"] or None,
        "error": about["error"] or None,
        "waits": about["waits"] or None,
        "url": found["links"]["html"],
        "possible": [verb for verb, able in _ACTIONS.items() if about["actions"][able]],
    }


def _data(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = shaped(answer, {"data": dict}, "answer")["data"]
    return found


def _attributes(answer: Any, shape: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = shaped(_data(answer), {"attributes": shape})["attributes"]
    return found


def _underscored(data: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes as a document's members, which have underscores where attributes have hyphens."""
    attributes = shaped(data, {"attributes": {name.replace("_", "-"): each for name, each in shape.items()}})
    return {name: attributes["attributes"][name.replace("_", "-")] for name in shape}


def _first(found: Iterator[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    return [each for _, each in zip(range(limit), found, strict=False)]


def _run_path(run_id: str) -> str:
    return f"/runs/{_named(run_id, 'run')}"


def _workspace_path(name: str) -> str:
    return f"/workspaces/{_named(name, 'workspace')}"


def _variables_path(place: VariablePlace) -> str:
    if place.set_name:
        raise Invalid(
            "a set reaches many workspaces, so no token changes or lists it: use the page Variable sets, or "
            "the command line on the server's machine"
        )
    return f"{_workspace_path(place.workspace)}/variables"


def _named(text: str, what: str) -> str:
    """Return a name as a part of an address."""
    if not text or any(part in ("", ".", "..") for part in text.split("/")):
        raise NotFound(f"there is no {what} named {text}")
    return quote(text)
