"""The dispatch, which puts each run into the queue of its workspace's pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.config import Config
from bot.dispatch import RqDispatch
from bot.services.ports import Store


def dispatch_of(config: Config, store: Store) -> RqDispatch:
    """Return the dispatch for a configuration. Without pools it asks the database nothing."""

    def pools_of(workspace_ids: Sequence[str]) -> Mapping[str, str]:
        with store.reading() as tx:
            tx.workspaces.load(workspace_ids)
            return {each: tx.workspaces.get(each).pool for each in workspace_ids}

    return RqDispatch(config.require_redis(), config.pools, pools_of)
