"""Says what the web room needs of the composition root, so that nothing here knows how it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, cast, runtime_checkable

from flask import Flask, current_app

from bot.domain.permissions import Person
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.forge_sign_in import ForgeSignIn
from bot.services.locking import Locking
from bot.services.ports import Addresses, Clock, Delivery, Hook, Store, Transaction, Vault
from bot.services.queueing import Queueing
from bot.services.redelivering import Redelivering
from bot.services.requiring import Requiring
from bot.services.rights import Rights
from bot.services.sessions import Sessions
from bot.services.state_history import KeptStates
from bot.services.states import StateService
from bot.services.tokens import Tokens
from bot.services.variables import VariableDesk


class Accepts(Protocol):
    """Takes deliveries in."""

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery and wake a worker; False where its id was here before."""
        ...


class Controls(Protocol):
    """What people do to runs. Each raises Forbidden, IllegalMove, Invalid, NotFound, Conflict."""

    def confirm(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Let a run apply its plan."""
        ...

    def discard(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Put a waiting run aside."""
        ...

    def cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Stop a run."""
        ...

    def force_cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Kill a run that a cancel did not end within the cool-off."""
        ...

    def override(self, run_id: str, person: Person, comment: str = "", policy: str = "") -> Run:
        """Let policies be that hold a run; the comment is the reason."""
        ...

    def may_override(self, run_id: str, person: Person) -> bool:
        """Whether the run waits for an override that this person may give."""
        ...

    def overriders(self, tx: Transaction, run: Run) -> str:
        """Say who may override what holds the run."""
        ...

    def comment(self, run_id: str, person: Person, text: str) -> Run:
        """Put what a person says into the run's timeline."""
        ...

    def retry(self, run_id: str, person: Person, comment: str = "", as_id: str = "") -> Run:
        """Make a new run on the same commit; of one name only one."""
        ...


class Written(Protocol):
    """Where plangate.yml says what a workspace is set to."""

    def of(self, workspace: Workspace) -> Mapping[str, str]:
        """Return the place of each option written there (`plangate.yml:12`); of the entry under ""."""
        ...


class Settings(Protocol):
    """The part of the configuration that the pages ask for."""

    @property
    def local_admin(self) -> str:
        """The login of whoever asks from this machine itself; empty: nobody."""
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
    def written(self) -> Written:
        """Where plangate.yml says what."""
        ...


@runtime_checkable
class Pingable(Protocol):
    """A dispatch that can tell whether Redis answers."""

    def ping(self) -> None:
        """Raise where it does not."""
        ...


class Services(Protocol):
    """The services, as the composition root builds them."""

    @property
    def config(self) -> Settings:
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
    def dispatch(self) -> object:
        """What wakes workers; asked only whether it answers."""
        ...

    @property
    def intake(self) -> Accepts:
        """Deliveries go here."""
        ...

    @property
    def controls(self) -> Controls:
        """People's wishes go here."""
        ...

    @property
    def locking(self) -> Locking:
        """Locks on workspaces."""
        ...

    @property
    def queueing(self) -> Queueing:
        """Plans asked for by hand."""
        ...

    @property
    def requiring(self) -> Requiring:
        """What applies of changes need."""
        ...

    @property
    def rights(self) -> Rights:
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
    def redelivering(self) -> Redelivering:
        """Deliveries once more."""
        ...

    @property
    def variables(self) -> VariableDesk:
        """Variables and sets of them."""
        ...

    @property
    def states(self) -> StateService:
        """Terraform's states, for Terraform."""
        ...

    @property
    def kept_states(self) -> KeptStates:
        """Their versions, for people."""
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
    """Make the services known to the views of an app."""
    app.extensions[_PLACE] = _Held(services)


def services() -> Services:
    """Return the services of the app that handles this request."""
    return cast(_Held, current_app.extensions[_PLACE]).services
