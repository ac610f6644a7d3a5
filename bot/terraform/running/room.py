"""The rooms that a run's commands work in: what each one sees, what it may use, and what it may reach.

Each command has a sandbox of its own, so nothing that a change's code started is alive when the next begins.
`init` brings providers; then they are taken out of its tree, and every later command only reads them. `show`
reads the saved plan in a clean room: no network, no secrets, nothing that a run wrote but the plan itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import EngineError
from bot.domain.workspaces.isolation import Isolation, Network
from bot.services.ports import StateAccess
from bot.terraform.files.runfolder import RunFolder, remove_tree
from bot.terraform.network.proxy import Upstream
from bot.terraform.network.rules import Rules, StatePlace
from bot.terraform.programs.binaries import Program
from bot.terraform.repository import git
from bot.terraform.sandbox import Sandbox, view
from bot.terraform.sandbox import task as tasks
from bot.terraform.sandbox.limits import RunLimits
from bot.terraform.sandbox.task import Record, Task
from bot.terraform.sandbox.view import Mount, read_only, writable

_PROVIDERS = Path(".terraform/providers")


@dataclass(frozen=True)
class Terms:
    """What is the same for the rooms of every run on this worker.

    `own` are the hosts of Plangate's own parts. `passed` is what of the worker's environment runs may have.
    """

    limits: RunLimits
    own: tuple[str, ...]
    passed: Mapping[str, str]


class Room:
    """One run's rooms. `reads` is what they see of the machine: mirrors, caches, certificates."""

    def __init__(
        self,
        folder: RunFolder,
        directory: Path,
        program: Program,
        sandbox: Sandbox,
        isolation: Isolation,
        terms: Terms,
        reads: tuple[Path, ...],
    ) -> None:
        self._folder = folder
        self._directory = directory
        self._program = program
        self._sandbox = sandbox
        self._isolation = isolation
        self._terms = terms
        self._reads = reads

    @property
    def filtered(self) -> bool:
        """Whether the network is reached through the run's proxy alone.

        Raises EngineError if the network is to be switched off and can't be.
        """
        if self._sandbox.active:
            return self._isolation.network is not Network.HOST
        if self._isolation.network is Network.NONE:
            raise EngineError(
                "this workspace has `network: none`, which needs a sandbox, and there is none here"
            )
        return False

    def task(
        self,
        argv: tuple[str, ...],
        environment: Mapping[str, str],
        *,
        linger: float,
        state: StateAccess | None,
        reads: tuple[Path, ...] = (),
        record: Record | None = None,
    ) -> Task:
        """Return a command of Terraform's at work on the tree; `reads` lies in the run's folder."""
        folder = self._folder
        mounts = [writable(each, folder.seen(each)) for each in (folder.tree, folder.home, folder.out)]
        if folder.commit:
            mounts[0] = view.layers(folder.tree, folder.work, folder.commit, folder.seen(folder.tree))
        mounts.append(writable(folder.tmp, view.TMP))
        mounts += [read_only(each, folder.seen(each)) for each in reads]
        if folder.providers.is_dir() and self._sandbox.active:
            folder.folder(self._directory / _PROVIDERS.parent)
            folder.folder(self._directory / _PROVIDERS)
            mounts.append(read_only(folder.providers, folder.seen(self._directory / _PROVIDERS)))
        isolated = self.filtered
        return Task(
            argv=(*self._program.argv, *argv),
            environment=environment,
            cwd=self._directory,
            scratch=folder.root,
            linger=linger,
            limits=self._terms.limits,
            folders=folder.written,
            enclosure=self._sandbox.enclose(
                [*mounts, *self._shown()], folder.seen(self._directory), uid=folder.uid, isolated=isolated
            ),
            network=self._network(state) if isolated else None,
            record=record,
        )

    def clean(
        self, argv: tuple[str, ...], environment: Mapping[str, str], files: Mapping[str, bytes], linger: float
    ) -> Task:
        """Return a command in a clean room: it sees these files and the providers, and no more."""
        folder = self._folder
        place = folder.root / "room"
        remove_tree(place)
        place.mkdir(mode=0o755)
        for name, data in files.items():
            folder.write(place / name, data)
        mounts = [read_only(place, folder.seen(place)), Mount(view.TMP, view.Kind.EMPTY)]
        if folder.providers.is_dir():
            (place / _PROVIDERS).mkdir(parents=True)
            mounts.append(read_only(folder.providers, folder.seen(place / _PROVIDERS)))
        return Task(
            argv=(*self._program.argv, *argv),
            environment=environment,
            cwd=place,
            scratch=folder.root,
            linger=linger,
            limits=self._terms.limits,
            enclosure=self._sandbox.enclose([*mounts, *self._shown()], folder.seen(place), uid=folder.uid),
        )

    def keep_providers(self) -> None:
        """Take what init has brought out of the tree, and make copies of what it only linked to in there.

        Only with a sandbox, in which the later commands see it in its old place.
        """
        brought, kept = self._directory / _PROVIDERS, self._folder.providers
        remove_tree(kept)
        if not self._sandbox.active or not brought.is_dir():
            return
        brought.rename(kept)
        inside = self._folder.seen(self._folder.tree)
        for link in kept.glob("*/*/*/*/*"):
            if link.is_symlink() and link.readlink().is_relative_to(inside):
                source = self._folder.tree / link.readlink().relative_to(inside)
                link.unlink()
                shutil.copytree(source, link, symlinks=True)

    def link_providers(self, cache: Path, packages: Iterable[Path]) -> None:
        """Have the commands see packages of the cache as if `init` had brought them. Only with a sandbox."""
        kept = self._folder.providers
        remove_tree(kept)
        for package in packages:
            place = kept / package
            for folder in reversed(package.parents):
                here = kept / folder
                here.mkdir(exist_ok=True)
                here.chmod(0o755)  # read by the users of runs
            place.symlink_to(cache / package)

    def _shown(self) -> Iterator[Mount]:
        program = self._program
        if program.library:
            yield from view.python(program.library)
        wanted = [*program.needs, *self._reads, *git.installed(self._terms.passed)]
        yield from (read_only(path) for path in view.unseen(wanted))

    def _network(self, state: StateAccess | None) -> tasks.Network:
        rules = Rules(
            open=self._isolation.network is not Network.NONE,
            egress=self._isolation.egress,
            state=StatePlace.of(state.address, state.shared) if state else None,
            own=self._terms.own,
        )
        return tasks.Network(rules, Upstream.of(self._terms.passed))
