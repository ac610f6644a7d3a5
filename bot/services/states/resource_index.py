"""Keeps the index of resources: follows the versions of each state, and says which of them changed what."""

from __future__ import annotations

import logging
from dataclasses import replace

from bot.domain.errors import EngineError, PlangateError
from bot.domain.plans.dependency_lock import read_lock
from bot.domain.states.resources import list_resources
from bot.services.ports import (
    ArtifactKind,
    IndexedResource,
    IndexedState,
    StateVersion,
    Store,
    Transaction,
    Vault,
)

log = logging.getLogger(__name__)

AT_ONCE = 20
"""How many versions of a state are read in one go. Of a state that is not indexed yet, only the newest."""

WORKSPACES_AT_ONCE = 50

_BUILT_IN = "terraform.io/builtin/terraform"


class ResourceIndex:
    """Indexes the resources of states, after each new version, and what the sweep finds to be missing."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def catch_up_all(self) -> int:
        """Index the states that are not. Returns of how many workspaces. Safe to call often."""
        with self._store.reading() as tx:
            behind = tx.indexed_resources.behind(WORKSPACES_AT_ONCE)
        for workspace_id in behind:
            # One that can't be indexed holds up neither the others nor the sweep.
            self.follow(workspace_id)
        return len(behind)

    def follow(self, workspace_id: str) -> None:
        """Index a state that has just become current. If that fails, the sweep does it."""
        try:
            self.catch_up(workspace_id)
        except PlangateError as error:
            log.warning("the resources of %s are indexed later: %s", workspace_id, error)

    def catch_up(self, workspace_id: str) -> None:
        """Index a workspace's state up to the current version."""
        while self._step(workspace_id):
            pass

    def _step(self, workspace_id: str) -> bool:
        """Index the next versions. False if there are no more, or if another process does it."""
        with self._store.reading() as tx:
            before = tx.indexed_resources.indexed(workspace_id)
            versions = tx.indexed_resources.following(workspace_id, AT_ONCE)
            known = dict(tx.indexed_resources.of_workspace(workspace_id))
        if not versions:
            return False
        old, state = known, before
        for number, version in enumerate(versions):
            # There may be older versions, which are not read: they may have what the first one has.
            unknown = before is None and number == 0 and len(versions) == AT_ONCE
            state, known = self._read(version, known, unknown=unknown)
        assert state is not None
        with self._store.transaction() as tx:
            tx.workspaces.get(workspace_id, for_update=True)
            if tx.indexed_resources.indexed(workspace_id) != before:
                return False
            changed = [each for address, each in known.items() if old.get(address) != each]
            tx.indexed_resources.put(state, changed, old.keys() - known.keys())
        return True

    def _read(
        self, version: StateVersion, known: dict[str, IndexedResource], *, unknown: bool
    ) -> tuple[IndexedState, dict[str, IndexedResource]]:
        """Return a version's resources. Those that are as before keep who changed them."""
        with self._store.reading() as tx:
            data = tx.states.data(version.id)
            providers = _versions(tx, version.run_id)
        listed = list_resources(data, self._vault.key("resource mark"))
        state = IndexedState(
            version.workspace_id, version.id, listed.terraform_version, listed.resources is not None
        )
        providers = {_BUILT_IN: listed.terraform_version, **providers}
        found: dict[str, IndexedResource] = {}
        for address, each in (listed.resources or {}).items():
            stands = known.get(address)
            now = IndexedResource(
                workspace_id=version.workspace_id,
                address=address,
                type=each.type,
                name=each.name,
                module=each.module,
                provider=each.provider,
                provider_version=providers.get(each.provider, ""),
                instances=each.instances,
                mark=each.mark,
            )
            if stands is not None and stands.mark == each.mark:
                now = replace(
                    now, version_id=stands.version_id, run_id=stands.run_id, changed_at=stands.changed_at
                )
            elif not unknown:
                now = replace(
                    now, version_id=version.id, run_id=version.run_id, changed_at=version.created_at
                )
            found[address] = now
        return state, found


def _versions(tx: Transaction, run_id: str) -> dict[str, str]:
    """Return the versions of the providers that a run used, by their addresses; empty if not known."""
    lock = tx.artifacts.get(run_id, ArtifactKind.DEPENDENCY_LOCK) if run_id else None
    try:
        return {each.address: each.version for each in read_lock(lock or b"")}
    except EngineError:
        return {}
