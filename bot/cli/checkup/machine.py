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
from bot.domain.workspace import EngineKind, Workspace
from bot.services.ports import Stop
from bot.terraform.git import git_version
from bot.wiring import Services

_LITTLE_DISK = 1 << 30
_SOME_DISK = 5 << 30
# The first that fetches without writing FETCH_HEAD, which workers that share a mirror need.
_OLDEST_GIT = (2, 29)
_NAMES_SHOWN = 3


class _Patience:
    """The watcher of what nobody watches."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> Stop:
        """Go on."""
        return Stop.GO_ON


def data_folder(config: Config) -> Iterator[Finding]:
    """Whether the data folder can be written to, is nobody else's to read, and has room."""
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
    advice = "Make room: providers, mirrors and working trees lie there"
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
    if version < _OLDEST_GIT:
        least = ".".join(map(str, _OLDEST_GIT))
        yield failed("git", f"{said} is too old", f"Install Git {least} or newer")
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
    else:
        advice = "Code of a pull request runs as this user: see Security in the README"
        yield warning("sandbox", said, advice)


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
        yield failed("downloads", str(error), "Nothing can be downloaded until then")
    else:
        yield ok("downloads", "what is not here is downloaded and verified")


def _foreseen(services: Services, kind: EngineKind, version: str, names: list[str]) -> Finding:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    title = f"{kind.value} {version or '(any version)'}"
    users = f"for {', '.join(names[:_NAMES_SHOWN])}{more}"
    try:
        found = services.binaries.foresee(kind, version, _Patience())
    except EngineError as error:
        advice = "Put one into PLANGATE_TERRAFORM_DIR, let it be downloaded, or ask for another version"
        return failed(title, f"{users}: {error}", advice)
    return ok(title, f"{users}: {found}")


def _workspaces(services: Services) -> list[Workspace]:
    """Return what is configured, and what was discovered where the database answers."""
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
