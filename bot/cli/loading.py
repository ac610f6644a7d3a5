"""Reading the configuration and building the services, for every command alike."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from bot.config import Config
from bot.domain.audit import Deed
from bot.domain.permissions import Person
from bot.services.auditing import done
from bot.services.declaring import Changed, declare
from bot.services.ports import Transaction
from bot.services.syncing import Synced, sync
from bot.store import migrate
from bot.wiring import Services, build


def settings() -> Config:
    """Read the configuration and do nothing else. Raises ConfigError."""
    return Config.from_env(os.environ)


def configuration() -> Config:
    """Read the configuration and begin logging. Raises ConfigError."""
    config = settings()
    logging.basicConfig(
        level=config.log_level.value, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    # Each request to the forge would be a line; what matters of them we log ourselves.
    for name in ("httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for warning in config.warnings:
        logging.getLogger("plangate").warning("%s", warning)
    return config


def ready(config: Config, *, serves: bool = False, by: Person | None = None) -> tuple[Services, Synced]:
    """Build the services on a database that is up to date and knows the configured workspaces.

    What serves, and `plangate sync`, brings the variables of plangate.yml too. Any other command leaves them
    alone: the shell that it was given in may hold somebody's own credentials under the same names. Safe to do
    by many processes at once. `by` is who asks for just this, and then has a line in the audit log.
    """
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate(config.database_url)
    services = build(config)
    # Makes the root of the derived keys on the first start, outside of any transaction that may need it.
    services.vault.key("start")
    now = services.clock.now()

    def variables(tx: Transaction) -> Sequence[Changed]:
        return declare(tx, config.variables, now) if serves else ()

    def note(tx: Transaction, synced: Synced) -> None:
        if by is not None:
            done(tx, services.clock, by, Deed.SYNC, "", synced.words)

    return services, sync(services.store, config.workspaces, config.discover, variables, note)
