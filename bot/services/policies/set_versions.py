"""Versions of policy sets: from a folder of the server, or from a repository's folder at a commit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from bot.domain.errors import EngineError
from bot.domain.policies.sets import PolicySet
from bot.services.ports import Clock, Files, ForgeReader, SetFiles, SetVersion, Store, Watch


class NoPolicies(EngineError):
    """The repository has no file of a policy set there."""


class SetVersions:
    """Fetches sets at a point in time. Raises ForgeUnavailable, ForgeRefused, EngineError."""

    def __init__(
        self, store: Store, clock: Clock, forges: Mapping[str, ForgeReader], files: SetFiles
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._files = files

    def in_force(self, each: PolicySet, watch: Watch) -> SetVersion:
        """Return the set as it is now. Raises NotFound too, if its branch does not exist."""
        if each.origin.repo is None:
            origin, now = str(each.origin), self._clock.now()
            files = self._files.local(each.origin.folder)
            return SetVersion(_hash(each.name, origin, "", files), each.name, origin, "", files, now)
        forge = self._forges[each.origin.repo.forge]
        _, commit = forge.branch_head(each.origin.repo, each.origin.branch)
        return self.at(each, commit, watch)

    def at(self, each: PolicySet, commit: str, watch: Watch) -> SetVersion:
        """Return a set at a commit of its repository. Fetches it only if no run was judged by it."""
        assert each.origin.repo is not None
        origin = str(each.origin)
        with self._store.reading() as tx:
            if known := tx.policies.fetched(each.name, origin, commit):
                return known
        remote = self._forges[each.origin.repo.forge].remote(each.origin.repo)
        try:
            files = self._files.at_commit(remote, commit, each.origin.folder, watch)
        except EngineError as error:
            error.args = (f"policy set {each.name}: {error}",)
            raise
        if not files:
            place = each.origin.folder or "its root"
            repo = each.origin.repo.path
            raise NoPolicies(f"policy set {each.name}: {repo} has no policies in {place} at {commit[:12]}")
        now = self._clock.now()
        return SetVersion(_hash(each.name, origin, commit, files), each.name, origin, commit, files, now)


def _hash(name: str, origin: str, commit: str, files: Files) -> str:
    """Return the id of a set's version: a hash of its name, its origin and its files."""
    whole = hashlib.sha256()
    for part in (name.encode(), origin.encode(), commit.encode()):
        whole.update(len(part).to_bytes(8) + part)
    for path, data in sorted(files.items()):
        whole.update(len(path.encode()).to_bytes(8) + path.encode())
        whole.update(len(data).to_bytes(8) + data)
    return f"polsetver-{whole.hexdigest()[:32]}"
