"""The database, as one transaction over every repository."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from bot.services.ports.approvals import Approvals
from bot.services.ports.audit import AuditLog
from bot.services.ports.overview import Overviews
from bot.services.ports.people import SessionRecords, TokenRecords
from bot.services.ports.policies import PolicyChecks
from bot.services.ports.replays import Replays
from bot.services.ports.retention import Retention
from bot.services.ports.runs import Artifacts, Leases, Runs, Workspaces
from bot.services.ports.states import StateHistory, StateLocks, States
from bot.services.ports.traffic import Changes, Deliveries, Delivery, Posts, Redeliveries
from bot.services.ports.variables import Variables


class Transaction(Protocol):
    """One transaction over every repository; commits when its block ends, rolls back when it raises."""

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
    def artifacts(self) -> Artifacts:
        """Files and output of runs."""
        ...

    @property
    def leases(self) -> Leases:
        """Who works on what."""
        ...

    @property
    def changes(self) -> Changes:
        """Changes as last seen."""
        ...

    @property
    def posts(self) -> Posts:
        """What should stand on the forges."""
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
    def variables(self) -> Variables:
        """Variables and sets of them."""
        ...

    @property
    def policies(self) -> PolicyChecks:
        """What policies said of runs."""
        ...

    @property
    def replays(self) -> Replays:
        """Changes of policy sets, tried on stored plans."""
        ...

    @property
    def retention(self) -> Retention:
        """What may be forgotten."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Who approved what."""
        ...

    @property
    def sessions(self) -> SessionRecords:
        """Who is signed in."""
        ...

    @property
    def tokens(self) -> TokenRecords:
        """Tokens of people's programs."""
        ...

    @property
    def redeliveries(self) -> Redeliveries:
        """Webhook calls once more."""
        ...

    @property
    def audit(self) -> AuditLog:
        """What people did."""
        ...

    @property
    def overviews(self) -> Overviews:
        """The list of workspaces."""
        ...


class Store(Protocol):
    """The database: the truth."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that may write; on SQLite writers wait for each other from its start."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that only reads one moment's data and makes nobody wait."""
        ...

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery, in one transaction with others that come just now; False where its id is there.

        Returns once it stands. Raises Conflict where another forge has used its id, and as `transaction`.
        """
        ...
