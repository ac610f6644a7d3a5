"""The unit of work: one transaction over every repository, and the Store that begins them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.services.ports.deliveries import Delivery
from bot.services.ports.store import SchemaState, Transaction
from bot.services.ports.world import Vault
from bot.store.connection.engines import READING, WRITING, make_engine
from bot.store.connection.failures import in_our_words
from bot.store.connection.forking import no_fork_within
from bot.store.connection.group_commit import GroupCommit
from bot.store.connection.migrate import compared
from bot.store.encryption.roots import make_root, read_root
from bot.store.repositories.approvals import SqlApprovals
from bot.store.repositories.audit import SqlAuditLog
from bot.store.repositories.backlog import SqlBacklog
from bot.store.repositories.catching_up import SqlRepoWatches
from bot.store.repositories.changes import SqlChanges
from bot.store.repositories.configurations import SqlConfigurationVersions
from bot.store.repositories.deliveries import SqlDeliveries, SqlHeard, SqlRedeliveries
from bot.store.repositories.drifts import SqlCheckedWorkspaces, SqlDrifts
from bot.store.repositories.failed_deliveries import SqlFailedDeliveries, SqlHookWatches
from bot.store.repositories.forecasts import SqlForecasts
from bot.store.repositories.identity_keys import SqlIdentityKeys
from bot.store.repositories.leases import SqlLeases
from bot.store.repositories.notifications import SqlNotices, SqlNotificationLog
from bot.store.repositories.overview import SqlOverviews
from bot.store.repositories.people import SqlIdentities, SqlLoginCodes, SqlSessions, SqlTokens
from bot.store.repositories.policies import SqlPolicyChecks, SqlReplays
from bot.store.repositories.posts import SqlPosts, SqlShown
from bot.store.repositories.projects import SqlProjects
from bot.store.repositories.resources import SqlIndexedResources, SqlResourceSearch
from bot.store.repositories.retention import SqlRetention
from bot.store.repositories.run_figures import SqlRunFigures
from bot.store.repositories.run_retention import SqlRunRetention
from bot.store.repositories.run_search import SqlRunSearch
from bot.store.repositories.runs import SqlArtifacts, SqlRuns
from bot.store.repositories.states import SqlStateHistory, SqlStateLocks, SqlStates, SqlStateUploads
from bot.store.repositories.tasks import SqlTaskResults
from bot.store.repositories.variables import SqlVariableIds, SqlVariables
from bot.store.repositories.waiting_runs import SqlWaitingRuns
from bot.store.repositories.workspaces import SqlWorkspaces


@dataclass(frozen=True)
class SqlTransaction:
    """Every repository, on one connection within one transaction."""

    deliveries: SqlDeliveries
    workspaces: SqlWorkspaces
    runs: SqlRuns
    waiting_runs: SqlWaitingRuns
    artifacts: SqlArtifacts
    configurations: SqlConfigurationVersions
    login_codes: SqlLoginCodes
    projects: SqlProjects
    leases: SqlLeases
    changes: SqlChanges
    forecasts: SqlForecasts
    drift_checks: SqlCheckedWorkspaces
    drifts: SqlDrifts
    notices: SqlNotices
    notification_log: SqlNotificationLog
    repo_watches: SqlRepoWatches
    hook_watches: SqlHookWatches
    failed_deliveries: SqlFailedDeliveries
    heard: SqlHeard
    posts: SqlPosts
    shown: SqlShown
    identities: SqlIdentities
    states: SqlStates
    state_history: SqlStateHistory
    state_locks: SqlStateLocks
    state_uploads: SqlStateUploads
    variables: SqlVariables
    variable_ids: SqlVariableIds
    policies: SqlPolicyChecks
    replays: SqlReplays
    task_results: SqlTaskResults
    retention: SqlRetention
    approvals: SqlApprovals
    sessions: SqlSessions
    tokens: SqlTokens
    identity_keys: SqlIdentityKeys
    audit: SqlAuditLog
    redeliveries: SqlRedeliveries
    overviews: SqlOverviews
    run_search: SqlRunSearch
    indexed_resources: SqlIndexedResources
    resource_search: SqlResourceSearch
    run_figures: SqlRunFigures
    backlog: SqlBacklog
    run_retention: SqlRunRetention


class SqlStore:
    """The Store port on SQLite or PostgreSQL.

    `url` is `sqlite:///path`, `postgresql://...` or `postgres://...`. Safe to share between threads, and to
    carry over a fork as long as the forking thread itself is in no transaction, and none accepts a delivery.
    Connects on first use; the schema must be there (`migrate`).
    Raises ConfigError if the URL is malformed.
    """

    def __init__(self, url: str, vault: Vault) -> None:
        self._engine = make_engine(url)
        self._vault = vault
        self._group_commit = GroupCommit(self.transaction)

    def __repr__(self) -> str:
        return f"SqlStore({self._engine.url!r})"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction that may write; on SQLite writers wait for each other from its start.

        Commits when the block ends, rolls back when it raises. Raises Conflict if another change is in the
        way for half a minute or at a deadlock, NotFound if a row refers to nothing, PlangateError if
        the database can't be used.
        """
        with self._begin(WRITING) as unit:
            yield unit

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Begin a read-only transaction on a snapshot; it blocks no other one."""
        with self._begin(READING) as unit:
            yield unit

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery, in one transaction with other new ones; False if its id exists.

        Returns after the commit. Raises Conflict if another forge has used its id, and as `transaction`.
        """
        return self._group_commit.add(delivery)

    def schema(self) -> SchemaState:
        """Return how the database's schema compares with this program's. Raises as `transaction`."""
        with self._connected(READING) as connection:
            return compared(connection)

    def root(self) -> bytes:
        """Return the secret that this database's derived keys come from; the first call creates it."""
        with self._connected(READING) as connection:
            found = read_root(connection, self._vault)
        if found is None:
            with self._connected(WRITING) as connection:
                found = make_root(connection, self._vault)
        return found

    def close(self) -> None:
        """Close idle connections. The store can still be used."""
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
        kept_workspaces = SqlWorkspaces(connection, only_reads=only_reads)
        return SqlTransaction(
            deliveries=SqlDeliveries(connection, self._vault),
            workspaces=kept_workspaces,
            runs=SqlRuns(connection, kept_workspaces),
            waiting_runs=SqlWaitingRuns(connection),
            artifacts=SqlArtifacts(connection, self._vault),
            configurations=SqlConfigurationVersions(connection, self._vault),
            login_codes=SqlLoginCodes(connection),
            projects=SqlProjects(connection),
            leases=SqlLeases(connection),
            changes=SqlChanges(connection),
            forecasts=SqlForecasts(connection),
            drift_checks=SqlCheckedWorkspaces(connection),
            drifts=SqlDrifts(connection),
            notices=SqlNotices(connection),
            notification_log=SqlNotificationLog(connection),
            repo_watches=SqlRepoWatches(connection),
            hook_watches=SqlHookWatches(connection),
            failed_deliveries=SqlFailedDeliveries(connection),
            heard=SqlHeard(connection),
            posts=SqlPosts(connection),
            shown=SqlShown(connection),
            identities=SqlIdentities(connection),
            states=SqlStates(connection, self._vault),
            state_history=SqlStateHistory(connection),
            state_locks=SqlStateLocks(connection),
            state_uploads=SqlStateUploads(connection),
            variables=SqlVariables(connection, self._vault),
            variable_ids=SqlVariableIds(connection),
            policies=SqlPolicyChecks(connection, self._vault),
            replays=SqlReplays(connection),
            task_results=SqlTaskResults(connection),
            retention=SqlRetention(connection),
            approvals=SqlApprovals(connection),
            sessions=SqlSessions(connection),
            tokens=SqlTokens(connection),
            identity_keys=SqlIdentityKeys(connection, self._vault),
            audit=SqlAuditLog(connection),
            redeliveries=SqlRedeliveries(connection),
            overviews=SqlOverviews(connection),
            run_search=SqlRunSearch(connection),
            indexed_resources=SqlIndexedResources(connection),
            resource_search=SqlResourceSearch(connection),
            run_figures=SqlRunFigures(connection),
            backlog=SqlBacklog(connection),
            run_retention=SqlRunRetention(connection),
        )
