"""Holds what is shown of a plan against the saved plan itself, whose bytes are applied (promise 1).

`expect` reads the configuration before any code of the change runs. `verify` decodes the saved plan, and
compares it with its JSON and with what was expected.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bot.domain.errors import PlanDisagrees
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import EngineJob
from bot.terraform.files.runfolder import RunFolder

if TYPE_CHECKING:
    from bot.terraform.saved_plan import SavedPlan

_MODULES = PurePosixPath(".terraform/modules")
_CONFIGURATION = (".tf", ".tf.json", ".tofu", ".tofu.json")
_LARGEST = 1 << 26
_MOST_NAMED = 5
_LONGEST_PLACE = 160


@dataclass(frozen=True)
class Expected:
    """What a saved plan must have been made of.

    `files` are those of the root module and of local modules, by path from the root of the tree; `installed`
    are those of other modules, by module key and name. `mode` is as a saved plan has it. `address` is where
    our own backend is, empty if the state is kept elsewhere.
    """

    engine: EngineKind
    files: Mapping[str, bytes]
    installed: Mapping[str, Mapping[str, bytes]]
    working_directory: str
    mode: str
    backend: str
    address: str


def warm_up() -> None:
    """Load what reads saved plans, so that no run has to."""
    importlib.import_module("bot.terraform.saved_plan")


def expect(folder: RunFolder, directory: Path, job: EngineJob, backend: str, state_here: bool) -> Expected:
    """Return what the plan of a directory must be made of: call it after `init` and before `plan`.

    `backend` is the type of the backend that keeps the state; `state_here` says that it is ours.
    """
    files, installed = {}, {}
    here = str(directory.relative_to(folder.tree))
    for key, place in _modules(folder, directory):
        downloaded = PurePosixPath(place).parts[:2] == _MODULES.parts
        if downloaded:
            installed[key] = dict(_configuration(directory / place, folder.tree))
        else:
            path = PurePosixPath(os.path.normpath(PurePosixPath(here, place)))
            # Our own files lie beside those of the root module; other modules are as the commit has them.
            shared = None if str(path) == here else folder.commit
            found = _configuration((shared or folder.tree) / path, shared or folder.tree)
            files.update({str(path / name): data for name, data in found})
    return Expected(
        engine=job.engine,
        files=files,
        installed=installed,
        working_directory="" if here == "." else here,
        mode=_mode(job),
        backend=backend,
        address=job.state.address if job.state and state_here else "",
    )


def verify(saved_plan: bytes, plan_json: bytes, expected: Expected) -> str:
    """Return the hash of the configuration in a saved plan that is as expected and as its JSON says.

    Raises PlanDisagrees, UnreadablePlan, UnknownPlanFormat.
    """
    from bot.terraform import saved_plan as reading  # noqa: PLC0415 -- takes 0.1 s, and only on workers

    saved = reading.decode(saved_plan, expected.engine)
    places = [str(each) for each in reading.agree(saved, plan_json)]
    if places:
        raise PlanDisagrees(f"the plan file and its JSON disagree: {_named(places)}")
    places = [
        str(each)
        for each in reading.snapshot_matches(
            saved, expected.files, expected.working_directory, expected.installed
        )
    ]
    if places:
        raise PlanDisagrees(f"the plan file was not made of this commit: {_named(places)}")
    if wrong := _elsewhere(saved, expected):
        raise PlanDisagrees(wrong)
    return reading.configuration_hash(saved)


def _elsewhere(saved: SavedPlan, expected: Expected) -> str:
    """Say what the plan would write to another place or in another way, empty if nothing."""
    if saved.mode != expected.mode:
        return f"the plan file is one of {saved.mode.value} mode, and {expected.mode} was asked for"
    backend = saved.backend
    if backend.type != expected.backend:
        return (
            f"the plan file keeps the state in the backend {backend.type[:100] or '(none)'}, "
            f"and {expected.backend} was expected"
        )
    address = backend.config.get("address") if isinstance(backend.config, dict) else None
    if expected.address and address not in (None, expected.address):
        return "the plan file keeps the state at another address than this workspace's"
    return ""


def _mode(job: EngineJob) -> str:
    if job.modes.destroy:
        return "destroy"
    return "refresh-only" if job.modes.refresh_only else "normal"


def _named(places: Sequence[str]) -> str:
    shown = [each if len(each) <= _LONGEST_PLACE else f"{each[:_LONGEST_PLACE]}…" for each in places]
    more = len(places) - _MOST_NAMED
    return "; ".join(shown[:_MOST_NAMED]) + (f" (and {more} more)" if more > 0 else "")


def _modules(folder: RunFolder, directory: Path) -> Iterator[tuple[str, str]]:
    """Return the key and the directory of each module that `init` found; the root is one of them."""
    yield "", "."
    raw = folder.read(directory / _MODULES / "modules.json")
    for module in json.loads(raw)["Modules"] if raw else ():
        if module["Key"]:
            yield module["Key"], module["Dir"]


def _configuration(directory: Path, tree: Path) -> Iterator[tuple[str, bytes]]:
    """Return the configuration files of a directory; links are followed as far as they stay in the tree."""
    root = tree.resolve()
    if not (directory.is_dir() and directory.resolve().is_relative_to(root)):
        return
    for path in directory.iterdir():
        if not path.name.endswith(_CONFIGURATION) or not path.is_file():
            continue
        real = path.resolve()
        if real.is_relative_to(root) and real.stat().st_size <= _LARGEST:
            yield path.name, real.read_bytes()
