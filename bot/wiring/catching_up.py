"""Builds what catches up with the forges."""

from __future__ import annotations

from bot.config import Config
from bot.services.changes.discovery import Discovery
from bot.services.deliveries.catch_up import CatchUp
from bot.services.deliveries.failed_deliveries import FailedDeliveryChecks
from bot.services.policies.set_changes import PolicyChanges
from bot.wiring.world import World


def catching_up(config: Config, world: World) -> tuple[CatchUp, FailedDeliveryChecks]:
    """Return what compares repositories with their forges, and what asks for failed deliveries again."""
    settings, store, clock, forges = config.catching_up, world.store, world.clock, world.forges
    kept = config.retention.deliveries
    failed = FailedDeliveryChecks(store, clock, forges, world.addresses.hook, settings.every, kept)
    discovery = Discovery(config.discover, world.engine, forges)
    policy_changes = PolicyChanges(clock, config.policy_sets, on=config.policies.replayed > 0)
    found = CatchUp(store, clock, world.dispatch, forges, discovery, policy_changes, failed, settings)
    return found, failed
