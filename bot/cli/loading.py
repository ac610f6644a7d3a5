"""Reads the configuration and builds the services, for all commands."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from bot.config import Config
from bot.domain.errors import ConfigError, StoreUnavailable
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person
from bot.logs import begin_logging
from bot.services.outbox.audit_log import done
from bot.services.ports import Transaction
from bot.services.variables.declared import VariableChange, declare
from bot.services.variables.sync import SyncResult, sync
from bot.store import migrate
from bot.wiring import Services, build, configured

log = logging.getLogger(__name__)

_T = TypeVar("_T")

# In seconds: between two tries to reach the database or Redis at start.
_PAUSE = 1.0

log = logging.getLogger("plangate")


def settings() -> Config:
    """Read the configuration and do nothing else. Raises ConfigError."""
    return configured(os.environ)


def choose_pool(pool: str) -> None:
    """Work for a pool of workspaces from now on, empty for those of none: jobs read the settings."""
    os.environ["PLANGATE_POOL"] = pool


def configuration() -> Config:
    """Read the configuration and begin logging. Raises ConfigError."""
    config = settings()
    begin_logging(config.log_level.value, as_json=config.log_json, secrets=config.secret_values)
    for warning in config.warnings:
        log.warning("%s", warning)
    return config


def make_data_folder(config: Config) -> None:
    """Create the data folder if it is missing, readable only by this user. Raises ConfigError."""
    try:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"PLANGATE_DATA: can't create the folder {config.data}: {error.strerror}. Create it, give it to "
            "the user that Plangate runs as, or correct PLANGATE_DATA"
        ) from error


def ready(config: Config, *, serves: bool = False, by: Person | None = None) -> tuple[Services, SyncResult]:
    """Migrate the database, store the configured workspaces, and build the services.

    The servers and `plangate sync` also store the variables of plangate.yml. Other commands don't touch them
    alone: the shell that it was given in may hold somebody's own credentials under the same names. Neither do
    the workers of a pool, which have only their own workspaces' secrets. Safe to do
    by many processes at once. `by` is who asks for just this, and then has a line in the audit log.
    Raises StoreUnavailable. Can then be repeated from the start.
    """
    make_data_folder(config)
    migrate(config.database_url)
    services = build(config)
    if serves and (loud := services.sandbox.warning()):
        log.warning("%s", loud)
    # Creates the root of the derived keys on the first start, outside of any transaction that may need it.
    services.vault.key("start")
    now = services.clock.now()

    def variables(tx: Transaction) -> Sequence[VariableChange]:
        return declare(tx, config.variables, now) if serves and not config.pool else ()

    def note(tx: Transaction, synced: SyncResult) -> None:
        if by is not None:
            done(tx, services.clock, by, AuditAction.SYNC, "", synced.words)

    return services, sync(services.store, now, config.workspaces, config.discover, variables, note)


def serving(config: Config) -> Services:
    """Build the services of the web or a worker: waits at start for the database and for Redis.

    Raises ConfigError if Redis stays away, and if anybody may write to it: people who can write to Redis can
    start and delay our jobs (promise 6).
    """

    def with_database() -> Services:
        services, _ = ready(config, serves=True)
        # Webhooks may have been missed while we did not run.
        services.catch_up.hurry()
        return services

    # All of it again: the database may go away at any step.
    services = _patiently(with_database, config.start_wait)
    try:
        is_open = _patiently(services.queues.open_to_anybody, config.start_wait)
    except ConnectionError as error:
        raise ConfigError(f"{error}: start it, or correct REDIS_URL") from error
    if is_open and not services.config.redis_without_password:
        raise ConfigError(
            "REDIS_URL: this Redis listens on TCP and has no password: set `requirepass` there and write "
            "redis://:password@host into REDIS_URL, or let it listen on a unix socket. "
            "To accept it without a password, set PLANGATE_REDIS_WITHOUT_PASSWORD=true"
        )
    return services


def _patiently(action: Callable[[], _T], wait: timedelta) -> _T:
    """Return the action's result; until the timeout, retry if the database or Redis does not answer."""
    until = time.monotonic() + wait.total_seconds()
    while True:
        try:
            return action()
        except (StoreUnavailable, ConnectionError) as error:
            if time.monotonic() >= until:
                raise
            log.warning("waiting at start: %s", error)
        time.sleep(_PAUSE)
