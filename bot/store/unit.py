"""The unit of work: one transaction over every repository, and the Store that begins them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.services.ports.store import Transaction
from bot.services.ports.traffic import Delivery
from bot.services.ports.world import Vault
from bot.store.approvals import SqlApprovals
from bot.store.artifacts import SqlArtifacts
from bot.store.audit import SqlAuditLog
from bot.store.changes import SqlChanges
from bot.store.deliveries import SqlDeliveries
from bot.store.engines import READING, WRITING, make_engine
from bot.store.failures import in_our_words
from bot.store.forking import no_fork_within
from bot.store.leases import SqlLeases
from bot.store.overview import SqlOverviews
from bot.store.policies import SqlPolicyChecks
from bot.store.posts import SqlPosts
from bot.store.redeliveries import SqlRedeliveries
from bot.store.replays import SqlReplays
from bot.store.retention import SqlRetention
from bot.store.roots import make_root, read_root
from bot.store.runs import SqlRuns
from bot.store.sessions import SqlSessions
from bot.store.state_locks import SqlStateLocks
from bot.store.states import SqlStateHistory, SqlStates
from bot.store.together import Together
from bot.store.tokens import SqlTokens
from bot.store.variables import SqlVariables
from bot.store.workspaces import SqlWorkspaces


@dataclass(frozen=True)
class SqlTransaction:
    """Every repository, on one connection within one transaction."""

    deliveries: SqlDeliveries
    workspaces: SqlWorkspaces
    runs: SqlRuns
    artifacts: SqlArtifacts
    leases: SqlLeases
    changes: SqlChanges
    posts: SqlPosts
    states: SqlStates
    state_history: SqlStateHistory
    state_locks: SqlStateLocks
    variables: SqlVariables
    policies: SqlPolicyChecks
    replays: SqlReplays
    retention: SqlRetention
    approvals: SqlApprovals
    sessions: SqlSessions
    tokens: SqlTokens
    audit: SqlAuditLog
    redeliveries: SqlRedeliveries
    overviews: SqlOverviews


class SqlStore:
    """The Store port on SQLite or PostgreSQL.

    `url` is `sqlite:///path`, `postgresql://...` or `postgres://...`. Safe to share between threads, and to
    carry over a fork as long as the forking thread itself is in no transaction, and none accepts a delivery.
    Connects on first use; the schema must be there (`migrate`).
    Raises ConfigError where the URL is malformed.
    """

    def __init__(self, url: str, vault: Vault) -> None:
        self._engine = make_engine(url)
        self._vault = vault
        self._together = Together(self.transaction)

    def __repr__(self) -> str:
        return f"SqlStore({self._engine.url!r})"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction that may write; on SQLite writers wait for each other from its start.

        Commits when the block ends, rolls back when it raises. Raises Conflict where another change is in the
        way for half a minute or at a deadlock, NotFound where a row refers to nothing, PlangateError where
        the database can't be used.
        """
        with self._begin(WRITING) as unit:
            yield unit

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Begin a transaction that only reads one moment's data and makes nobody wait."""
        with self._begin(READING) as unit:
            yield unit

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery, in one transaction with others that come just now; False where its id is there.

        Returns once it stands. Raises Conflict where another forge has used its id, and as `transaction`.
        """
        return self._together.add(delivery)

    def root(self) -> bytes:
        """Return the secret that this database's derived keys come from; the first who asks makes it."""
        with self._connected(READING) as connection:
            found = read_root(connection, self._vault)
        if found is None:
            with self._connected(WRITING) as connection:
                found = make_root(connection, self._vault)
        return found

    def close(self) -> None:
        """Close the connections that lie idle. The store may still be used."""
        self._engine.dispose()

    @contextmanager
    def _begin(self, options: Mapping[str, Mapping[str, Any]]) -> Iterator[Transaction]:
        with self._connected(options) as connection:
            yield self._unit(connection, only_reads=options is READING)

    @contextmanager
    def _connected(self, options: Mapping[str, Mapping[str, Any]]) -> Iterator[sa.Connection]:
        with in_our_words(), no_fork_within(self._engine), self._engine.connect() as bare:
            connection = bare.execution_options(**options[self._engine.dialect.name])
            with connection.begin():
                yield connection

    def _unit(self, connection: sa.Connection, *, only_reads: bool) -> Transaction:
        return SqlTransaction(
            deliveries=SqlDeliveries(connection, self._vault),
            workspaces=SqlWorkspaces(connection, only_reads=only_reads),
            runs=SqlRuns(connection),
            artifacts=SqlArtifacts(connection, self._vault),
            leases=SqlLeases(connection),
            changes=SqlChanges(connection),
            posts=SqlPosts(connection),
            states=SqlStates(connection, self._vault),
            state_history=SqlStateHistory(connection),
            state_locks=SqlStateLocks(connection),
            variables=SqlVariables(connection, self._vault),
            policies=SqlPolicyChecks(connection, self._vault),
            replays=SqlReplays(connection),
            retention=SqlRetention(connection),
            approvals=SqlApprovals(connection),
            sessions=SqlSessions(connection),
            tokens=SqlTokens(connection),
            audit=SqlAuditLog(connection),
            redeliveries=SqlRedeliveries(connection),
            overviews=SqlOverviews(connection),
        )
