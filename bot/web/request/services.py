"""The services that the web pages need, as protocols: the composition root implements them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

from flask import Flask, current_app

from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.requirements import RequirementChecker
from bot.services.comments.page_applies import PageApplies
from bot.services.comments.why_reports import WhyReports
from bot.services.deliveries.failed_deliveries import FailedDeliveryChecks
from bot.services.deliveries.redeliver import Redelivery
from bot.services.drift.checks import DriftChecks
from bot.services.identity.keys import IssuerKeys
from bot.services.metrics.measure import Measurements
from bot.services.notifications.deliver import NotificationDelivery
from bot.services.people.forge_sign_in import ForgeSignIn
from bot.services.people.roles import Roles
from bot.services.people.sessions import Sessions
from bot.services.people.tokens import Tokens
from bot.services.ports import (
    Addresses,
    Clock,
    Delivery,
    Engine,
    Hook,
    Meter,
    Spans,
    Store,
    Vault,
)
from bot.services.runs.locks import WorkspaceLocks
from bot.services.runs.queue_plan import ManualRuns
from bot.services.states.backend import StateService
from bot.services.states.history import StateVersions
from bot.services.states.shared_states import SharedStates
from bot.services.variables.editor import VariableEditor
from bot.web.request.api_services import ApiServices
from bot.web.request.run_actions import RunActions


class DeliveryIntake(Protocol):
    """Accepts deliveries."""

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery and wake a worker; False if its id was here before."""
        ...


class OptionLines(Protocol):
    """The lines of plangate.yml that set a workspace's options."""

    def of(self, workspace: Workspace) -> Mapping[str, str]:
        """Return the place of each option written there (`plangate.yml:12`); of the entry under ""."""
        ...


class OrganizationFacts(Protocol):
    """The part of the organization's settings that the API asks for."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def upload_limit(self) -> int:
        """How many bytes an uploaded configuration may have."""
        ...


class WebSettings(Protocol):
    """The part of the configuration that the pages ask for."""

    @property
    def local_admin(self) -> str:
        """The local administrator's login; empty if there is none."""
        ...

    @property
    def metrics_tokens(self) -> tuple[str, ...]:
        """The tokens that open the page of metrics; empty if nobody may see it."""
        ...

    @property
    def organization(self) -> OrganizationFacts:
        """The organization of the API."""
        ...

    @property
    def cool_off(self) -> timedelta:
        """How long after a cancel a force-cancel must wait."""
        ...

    @property
    def state_lock_grace(self) -> timedelta:
        """How long a lost worker's Terraform keeps its lock on the state."""
        ...

    @property
    def forecasts(self) -> int:
        """How many other open changes one is planned together with; 0: none."""
        ...

    @property
    def written(self) -> OptionLines:
        """The lines of plangate.yml that set options."""
        ...


class Sweeps(Protocol):
    """Redis, which knows when the last sweep was."""

    def swept_at(self) -> datetime | None:
        """Return the time, None if there was none. Raises ConnectionError if Redis does not answer."""
        ...


class Services(ApiServices, Protocol):
    """The services, as the composition root builds them."""

    @property
    def config(self) -> WebSettings:
        """The configuration."""
        ...

    @property
    def store(self) -> Store:
        """The database."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def vault(self) -> Vault:
        """Keys."""
        ...

    @property
    def queues(self) -> Sweeps:
        """Redis: whether it answers, and when the last sweep was."""
        ...

    @property
    def spans(self) -> Spans:
        """Traces what happens."""
        ...

    @property
    def measurements(self) -> Measurements:
        """Reads the metrics."""
        ...

    @property
    def meter(self) -> Meter:
        """Counts what happens."""
        ...

    @property
    def intake(self) -> DeliveryIntake:
        """Deliveries go here."""
        ...

    @property
    def controls(self) -> RunActions:
        """People's wishes go here."""
        ...

    @property
    def workspace_locks(self) -> WorkspaceLocks:
        """Locks on workspaces."""
        ...

    @property
    def drift_checks(self) -> DriftChecks:
        """Drift checks."""
        ...

    @property
    def manual_runs(self) -> ManualRuns:
        """Plans asked for by hand."""
        ...

    @property
    def requirement_checker(self) -> RequirementChecker:
        """What applies of changes need."""
        ...

    @property
    def page_applies(self) -> PageApplies:
        """Applies of changes by a button."""
        ...

    @property
    def why_reports(self) -> WhyReports:
        """Why changes and runs are where they are."""
        ...

    @property
    def roles(self) -> Roles:
        """What people may do where."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Who is signed in."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Tokens of people's programs."""
        ...

    @property
    def forge_sign_in(self) -> ForgeSignIn:
        """How people sign in with a forge."""
        ...

    @property
    def failed_deliveries(self) -> FailedDeliveryChecks:
        """What asks the forges for failed deliveries again."""
        ...

    @property
    def notifications(self) -> NotificationDelivery:
        """Destinations of notifications, and tests of them."""
        ...

    @property
    def redelivery(self) -> Redelivery:
        """Deliveries once more."""
        ...

    @property
    def variables(self) -> VariableEditor:
        """Variables and sets of them."""
        ...

    @property
    def engine(self) -> Engine:
        """What runs Terraform, to ask whether it has room."""
        ...

    @property
    def states(self) -> StateService:
        """Terraform's states, for Terraform."""
        ...

    @property
    def shared_states(self) -> SharedStates:
        """The states that runs of other workspaces may read."""
        ...

    @property
    def state_versions(self) -> StateVersions:
        """Their versions, for people."""
        ...

    @property
    def issuer_keys(self) -> IssuerKeys:
        """The keys that sign identity tokens."""
        ...

    @property
    def addresses(self) -> Addresses:
        """Where this server is found."""
        ...

    @property
    def hooks(self) -> Mapping[str, Hook]:
        """The configured forges by name."""
        ...


@dataclass(frozen=True)
class _Held:
    services: Services


_PLACE = "plangate"


def install(app: Flask, services: Services) -> None:
    """Register the services for the views of an app."""
    app.extensions[_PLACE] = _Held(services)


def services() -> Services:
    """Return the services of the app that handles this request."""
    return cast(_Held, current_app.extensions[_PLACE]).services
