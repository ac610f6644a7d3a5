"""The sender of notifications, and what carries its messages."""

from __future__ import annotations

from bot.config import Config
from bot.integrations.messengers import Carriers
from bot.services.notifications.deliver import NotificationDelivery
from bot.wiring.world import World


def notifications_of(config: Config, world: World) -> NotificationDelivery:
    """Build what delivers notifications from the outbox."""
    return NotificationDelivery(
        world.store,
        world.clock,
        world.dispatch,
        world.messengers,
        world.addresses,
        world.limits,
        config.notifications.destinations,
    )


def messengers_of(config: Config) -> Carriers:
    """Build what carries messages to the destinations of a configuration."""
    settings = config.notifications
    return Carriers(settings.mailboxes, settings.mail_server, config.organization.name)
