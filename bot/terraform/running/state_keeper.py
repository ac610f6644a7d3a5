"""Where a run's state is kept: here, or where its configuration says if plangate.yml agrees (promise 5)."""

from __future__ import annotations

import json

from bot.domain.errors import EngineError
from bot.services.ports import EngineJob

# The blocks by which the CLI finds this server. In an upload our override takes their place.
_NAMES_US = ("cloud", "remote")


def check_configuration(job: EngineJob, own: str) -> str:
    """Return the type of the configuration's own backend that counts; refuse others. Raises EngineError.

    A configuration may not keep its state elsewhere than plangate.yml says. `own` is the type of the backend
    that it has, empty for none.
    Resources that exist look new to an empty state, and what is applied is then kept elsewhere.
    """
    if job.upload is not None and own in _NAMES_US:
        own = ""
    if job.state is None or bool(own) == job.own_backend:
        return own
    if own:
        raise EngineError(
            f"the configuration keeps its state itself (`{own}`), not in Plangate: remove its backend or "
            "cloud block, or write `own_backend: true` for this workspace in plangate.yml"
        )
    raise EngineError(
        "plangate.yml says `own_backend: true` for this workspace, but its configuration has no backend "
        "or cloud block: add the block, or remove the line from plangate.yml"
    )


def check_pointer(job: EngineJob, pointer: bytes, state_here: bool) -> None:
    """Make sure that the state outlives the tree, should our reading of the files have been wrong.

    `pointer` is what `init` noted of the backend. Raises EngineError.
    """
    if job.state is None:
        return
    try:
        known = json.loads(pointer or b"{}")
        kind = str((known.get("backend") or known.get("state_store") or {}).get("type", ""))
    except (ValueError, AttributeError):
        kind = ""
    if kind in ("", "local") or (state_here and kind != "http"):
        raise EngineError(
            f"after init the state would be kept in {kind or 'the working tree'} and be lost; "
            "remove the backend block to keep it in Plangate"
        )
