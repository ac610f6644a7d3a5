"""This machine: the data folder and its disk, Git, Terraform and OpenTofu, the sandbox."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator

from bot.cli.checkup.finding import Finding, failed, ok, warning
from bot.config import Config
from bot.domain.errors import EngineError, PlangateError
from bot.domain.workspaces.isolation import Network
from bot.domain.workspaces.workspace import EngineKind, Workspace
from bot.services.ports import WatchSignal
from bot.terraform.repository.git import git_version
from bot.terraform.repository.merging import OLDEST_GIT as OLDEST_MERGING
from bot.wiring import Services

_LITTLE_DISK = 1 << 30
_SOME_DISK = 5 << 30
# The first that fetches without writing FETCH_HEAD, which workers that share a mirror need.
_OLDEST_GIT = (2, 29)
_NAMES_SHOWN = 3


class _Patience:
    """A watcher that watches nothing."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> WatchSignal:
        """Go on."""
        return WatchSignal.GO_ON


def data_folder(config: Config) -> Iterator[Finding]:
    """Whether the data folder is writable, private, and has free space."""
    data, name = config.data, "data folder"
    if not data.is_dir():
        yield failed(name, f"{data} is not there", "Run `plangate migrate`, or correct PLANGATE_DATA")
        return
    try:
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        who = f"the user that Plangate runs as (this check ran as uid {os.getuid()})"
        yield failed(name, f"{data} can't be written to: {error.strerror}", f"Give it to {who}")
        return
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o077:
        yield warning(name, f"{data} is open to other users ({mode:o})", f"chmod 700 {data}")
    else:
        yield ok(name, f"{data}, writable and private")
    free = shutil.disk_usage(data).free
    said = f"{free / (1 << 30):.1f} GiB free"
    advice = "Free space: providers, mirrors and working trees are stored there"
    if free < _LITTLE_DISK:
        yield failed("disk", said, advice)
    elif free < _SOME_DISK:
        yield warning("disk", said, advice)
    else:
        yield ok("disk", said)


def git(config: Config) -> Iterator[Finding]:
    """Whether there is a Git that can do what we ask of it."""
    try:
        version = git_version(config.passed_on.get("PATH", os.defpath))
    except EngineError as error:
        yield failed("git", str(error), "Install Git")
        return
    said = ".".join(map(str, version))
    known = (*config.workspaces, *(rule.like for rule in config.discover))
    merging = any(workspace.merging.plans_merges for workspace in known)
    oldest = OLDEST_MERGING if merging else _OLDEST_GIT
    if version < oldest:
        least = ".".join(map(str, oldest))
        what = f"{said} is too old{' to plan merge results' if version >= _OLDEST_GIT else ''}"
        instead = ", or set `plan_of: head`" if version >= _OLDEST_GIT else ""
        yield failed("git", what, f"Install Git {least} or newer{instead}")
    else:
        yield ok("git", said)


def sandbox(services: Services) -> Iterator[Finding]:
    """Whether a change's code is kept in a sandbox."""
    said = services.sandbox.describe()
    try:
        active = services.sandbox.active
    except EngineError as error:
        yield failed(
            "sandbox", str(error), "Allow user namespaces on this machine, or install bubblewrap (bwrap)"
        )
        return
    if active:
        yield ok("sandbox", said)
        yield from _of_runs(services.config)
    else:
        yield warning("sandbox", said, f"Set PLANGATE_SANDBOX=required: {services.sandbox.warning()}")


def _of_runs(config: Config) -> Iterator[Finding]:
    """What every run reaches and may use, where that is more than it should be."""
    open_ = [one.name for one in config.workspaces if one.isolation.network is Network.HOST]
    open_ += [rule.like.repo.path for rule in config.discover if rule.like.isolation.network is Network.HOST]
    if open_:
        names = ", ".join(open_[:_NAMES_SHOWN]) + (" ..." if len(open_) > _NAMES_SHOWN else "")
        advice = "A change's code reaches all that this machine does: the metadata service, databases, Redis"
        yield warning("network", f"`network: host` for {names}", advice)
    limits = {"MEMORY": config.runs.memory, "PROCESSES": config.runs.processes, "DISK": config.runs.disk}
    if without := [f"PLANGATE_RUN_{name}" for name, value in limits.items() if not value]:
        yield warning("limits", f"no limit: {', '.join(without)}", "One run can use up this machine")


def programs(services: Services) -> Iterator[Finding]:
    """Which programs there are, and whether each workspace has one that will do."""
    workspaces = _workspaces(services)
    kinds = [kind for kind in EngineKind if any(one.engine is kind for one in workspaces)]
    for kind in kinds or [EngineKind.TERRAFORM]:
        there = [f"{program.version} ({program.origin})" for program in services.binaries.every(kind)]
        if there:
            yield ok(kind.value, ", ".join(there))
    yield from _downloads(services)
    wanted: dict[tuple[EngineKind, str], list[str]] = {}
    for one in workspaces:
        wanted.setdefault((one.engine, one.engine_version), []).append(one.name)
    for (kind, version), names in sorted(wanted.items()):
        yield _foreseen(services, kind, version, names)


def _downloads(services: Services) -> Iterator[Finding]:
    source = services.binaries.source
    if source is None:
        return
    try:
        source.check()
    except EngineError as error:
        yield failed("downloads", str(error), "Nothing can be downloaded before")
    else:
        yield ok("downloads", "missing versions are downloaded and verified")


def _foreseen(services: Services, kind: EngineKind, version: str, names: list[str]) -> Finding:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    title = f"{kind.value} {version or '(any version)'}"
    users = f"for {', '.join(names[:_NAMES_SHOWN])}{more}"
    try:
        found = services.binaries.foresee(kind, version, _Patience())
    except EngineError as error:
        advice = "Put one into PLANGATE_TERRAFORM_DIR, allow the download, or choose another version"
        return failed(title, f"{users}: {error}", advice)
    return ok(title, f"{users}: {found}")


def _workspaces(services: Services) -> list[Workspace]:
    """Return the configured workspaces, and discovered ones if the database answers."""
    found: Iterable[Workspace]
    try:
        with services.store.reading() as tx:
            found = tx.workspaces.all()
    except PlangateError:
        found = ()  # said by the check of the database
    config = services.config
    known = {one.name: one for one in (*config.workspaces, *found)}
    rules = [rule.like for rule in config.discover]
    return [*known.values(), *(one for one in rules if not _covered(one, known.values()))]


def _covered(rule: Workspace, workspaces: Iterable[Workspace]) -> bool:
    return any((w.engine, w.engine_version) == (rule.engine, rule.engine_version) for w in workspaces)
