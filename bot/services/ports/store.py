"""The database, as one transaction over every repository, and deleting what is old."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.services.ports.backlog import Backlog
from bot.services.ports.catching_up import RepoWatches
from bot.services.ports.changes import Changes, Posts, Shown
from bot.services.ports.configurations import ConfigurationVersions
from bot.services.ports.deliveries import Deliveries, Delivery, Heard, Redeliveries
from bot.services.ports.drifts import CheckedWorkspaces, Drifts
from bot.services.ports.failed_deliveries import FailedDeliveries, HookWatches
from bot.services.ports.forecasts import Forecasts
from bot.services.ports.identity import IdentityKeys
from bot.services.ports.notifications import Notices, NotificationLog
from bot.services.ports.people import (
    AuditLog,
    IdentityRecords,
    LoginCodes,
    SessionRecords,
    TokenRecords,
)
from bot.services.ports.policies import PolicyChecks, Replays
from bot.services.ports.projects import ProjectRecords
from bot.services.ports.resources import IndexedResources, ResourceSearch
from bot.services.ports.run_figures import RunFigures
from bot.services.ports.run_search import RunSearch
from bot.services.ports.runs import Approvals, Artifacts, Leases, Runs, WaitingRuns
from bot.services.ports.states import StateHistory, StateLocks, States, StateUploads
from bot.services.ports.tasks import TaskResults
from bot.services.ports.variables import VariableIds, Variables
from bot.services.ports.workspaces import Overviews, Workspaces


class Transaction(Protocol):
    """One transaction over every repository. Commits at the end of its block, rolls back on an exception."""

    @property
    def deliveries(self) -> Deliveries:
        """Webhook calls."""
        ...

    @property
    def workspaces(self) -> Workspaces:
        """Workspaces."""
        ...

    @property
    def runs(self) -> Runs:
        """Runs."""
        ...

    @property
    def waiting_runs(self) -> WaitingRuns:
        """Runs that wait for a worker."""
        ...

    @property
    def artifacts(self) -> Artifacts:
        """Files and output of runs."""
        ...

    @property
    def configurations(self) -> ConfigurationVersions:
        """Uploaded configurations."""
        ...

    @property
    def login_codes(self) -> LoginCodes:
        """Codes of programs that were let in."""
        ...

    @property
    def projects(self) -> ProjectRecords:
        """Projects that were made through the API."""
        ...

    @property
    def leases(self) -> Leases:
        """Leases."""
        ...

    @property
    def changes(self) -> Changes:
        """Changes as last fetched."""
        ...

    @property
    def forecasts(self) -> Forecasts:
        """Forecasts of two open changes."""
        ...

    @property
    def drift_checks(self) -> CheckedWorkspaces:
        """How far workspaces are checked for drift."""
        ...

    @property
    def drifts(self) -> Drifts:
        """Drifts."""
        ...

    @property
    def notices(self) -> Notices:
        """The outbox of notifications."""
        ...

    @property
    def notification_log(self) -> NotificationLog:
        """What was notified, and how it went."""
        ...

    @property
    def repo_watches(self) -> RepoWatches:
        """How far each repository is known."""
        ...

    @property
    def hook_watches(self) -> HookWatches:
        """How far the list of each webhook's deliveries is known."""
        ...

    @property
    def failed_deliveries(self) -> FailedDeliveries:
        """Deliveries that failed on their forge."""
        ...

    @property
    def heard(self) -> Heard:
        """Comments that were handled."""
        ...

    @property
    def posts(self) -> Posts:
        """Posts for the forges."""
        ...

    @property
    def identities(self) -> IdentityRecords:
        """The forge's numbers of repositories and accounts, by name."""
        ...

    @property
    def shown(self) -> Shown:
        """The plans that comments show."""
        ...

    @property
    def states(self) -> States:
        """States."""
        ...

    @property
    def state_history(self) -> StateHistory:
        """Single versions of states."""
        ...

    @property
    def state_locks(self) -> StateLocks:
        """Terraform's locks over all workspaces."""
        ...

    @property
    def state_uploads(self) -> StateUploads:
        """States that people announced."""
        ...

    @property
    def variables(self) -> Variables:
        """Variables and sets of them."""
        ...

    @property
    def variable_ids(self) -> VariableIds:
        """Variables and sets by their ids."""
        ...

    @property
    def policies(self) -> PolicyChecks:
        """Results of policies."""
        ...

    @property
    def replays(self) -> Replays:
        """Replays of changed policy sets."""
        ...

    @property
    def task_results(self) -> TaskResults:
        """Results of run tasks."""
        ...

    @property
    def retention(self) -> Retention:
        """Deletes old rows."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Approvals."""
        ...

    @property
    def sessions(self) -> SessionRecords:
        """Sessions of browsers."""
        ...

    @property
    def tokens(self) -> TokenRecords:
        """API tokens."""
        ...

    @property
    def identity_keys(self) -> IdentityKeys:
        """Keys that sign identity tokens."""
        ...

    @property
    def redeliveries(self) -> Redeliveries:
        """Deliveries that are handled once more."""
        ...

    @property
    def audit(self) -> AuditLog:
        """The audit log."""
        ...

    @property
    def overviews(self) -> Overviews:
        """The list of workspaces."""
        ...

    @property
    def indexed_resources(self) -> IndexedResources:
        """The index of resources."""
        ...

    @property
    def resource_search(self) -> ResourceSearch:
        """The search in the index of resources."""
        ...

    @property
    def run_figures(self) -> RunFigures:
        """Figures over the runs of many workspaces."""
        ...

    @property
    def run_retention(self) -> RunRetention:
        """Deleting what old applies and old states left."""
        ...

    @property
    def backlog(self) -> Backlog:
        """What waits in the whole installation."""
        ...

    @property
    def run_search(self) -> RunSearch:
        """Search of runs."""
        ...


class SchemaState(StrEnum):
    """How the database's schema compares with the one of this program."""

    CURRENT = "current"
    BEHIND = "behind"
    NEWER = "newer"


class Store(Protocol):
    """The database, the only truth."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that may write. On SQLite, writers wait for each other from its start."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that only reads, from one snapshot. Nobody waits for it."""
        ...

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery, in one transaction with others that arrive now. False if its id exists already.

        Returns after the commit. Raises Conflict if another forge has used its id, and as `transaction`.
        """
        ...

    def schema(self) -> SchemaState:
        """Return how the schema compares with this program's. A newer one is from an upgrade."""
        ...


class Retention(Protocol):
    """Deletes old rows. Never deletes a state, nor anything of a run that may have applied.

    Each method deletes at most `limit` rows or runs, and returns how many it deleted.
    """

    def deliveries(self, before: datetime, limit: int) -> int:
        """Delete handled deliveries that were received before `before`. It stays known that they arrived."""
        ...

    def saved_plans(self, before: datetime, limit: int) -> int:
        """Delete the saved plans of previews that ended before `before`: too old to be reused."""
        ...

    def previews(self, before: datetime, limit: int) -> int:
        """Delete output and plans of previews that ended before `before`, unless their change is open."""
        ...

    def failed_deliveries(self, before: datetime, limit: int) -> int:
        """Delete deliveries that failed before `before`."""
        ...

    def hook_watches(self, before: datetime, limit: int) -> int:
        """Delete the state of webhooks whose lists were last read before `before`: nobody follows them."""
        ...

    def leases(self, before: datetime, limit: int) -> int:
        """Delete leases that ended before `before`, but not while their run exists."""
        ...


class RunRetention(Protocol):
    """Deletes what old applies and old states left, if an operator says so.

    `held` names workspaces under a legal hold: nothing of them is deleted. Each method deletes from at most
    `limit` runs or versions, and returns from how many it did.
    """

    def files(self, before: datetime, held: Sequence[str], limit: int) -> int:
        """Delete plans and other files of runs that may apply and ended before `before`.

        Not of a run that no other applied run of its workspace follows.
        """
        ...

    def output(self, before: datetime, held: Sequence[str], limit: int) -> int:
        """Delete the output of such runs."""
        ...

    def states(self, before: datetime, held: Sequence[str], limit: int) -> int:
        """Delete versions of states that a newer one replaced before `before`. Never the current one."""
        ...
