"""A whole world behind the pages: a real database and vault, a clock that stands, and a forge's hook."""

from __future__ import annotations

import hashlib
import hmac
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.config.written import Written
from bot.domain.accounts import Account
from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Role
from bot.domain.run import Run, RunEvent, RunSource
from bot.domain.workspace import Workspace
from bot.forges.github.hook import GitHubHook
from bot.services import sign_in
from bot.services.controls import Controls
from bot.services.forge_sign_in import ForgeSignIn
from bot.services.locking import Locking
from bot.services.making import NewRuns
from bot.services.ports import Addresses, Delivery, Store, Vault
from bot.services.queueing import Queueing
from bot.services.redelivering import Redelivering
from bot.services.requiring import Requiring
from bot.services.rights import Rights
from bot.services.sessions import Sessions
from bot.services.state_history import KeptStates
from bot.services.states import StateService
from bot.services.tokens import Tokens
from bot.services.transitions import Transitions
from bot.services.variables import VariableDesk
from bot.store import SqlStore, migrate
from bot.vault import FernetVault, generate_key
from bot.web import create_app
from tests.fakes.forge import FakeForge

SECRET = "the webhook's secret"
INFRA = RepoRef("hub", "acme/infra")
SHA = "4be5cb02a1f7d3e8b90c6a5d4e3f2a1b0c9d8e7f"


@dataclass
class StandingClock:
    """A clock that moves when it is told to."""

    at: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def wait(self, length: timedelta) -> None:
        self.at += length

    def pass_by(self, span: timedelta) -> None:
        self.at += span


@dataclass
class QuietDispatch:
    """Wakes nobody, but remembers whom it should have; can be down."""

    woken: list[str] = field(default_factory=list)
    down: bool = False

    def ping(self) -> None:
        if self.down:
            raise ConnectionError("no Redis")

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(delivery_id)

    def advance(self, run: Run, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(run.id)

    def report(self, subject: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(subject)


@dataclass
class StoringIntake:
    """Stores deliveries as the real one does; can find the database gone."""

    store: Store
    broken: bool = False

    def accept(self, delivery: Delivery) -> bool:
        if self.broken:
            raise OSError("the disk is full")
        with self.store.transaction() as tx:
            return tx.deliveries.add(delivery)


@dataclass(frozen=True)
class Settings:
    local_admin: str = "alice"
    cool_off: timedelta = timedelta(seconds=30)
    state_lock_grace: timedelta = timedelta(minutes=15)
    written: Written = field(default_factory=Written)


@dataclass(frozen=True)
class Services:
    config: Settings
    store: Store
    clock: StandingClock
    vault: Vault
    dispatch: QuietDispatch
    intake: StoringIntake
    controls: Controls
    locking: Locking
    queueing: Queueing
    requiring: Requiring
    rights: Rights
    sessions: Sessions
    tokens: Tokens
    redelivering: Redelivering
    forge_sign_in: ForgeSignIn
    variables: VariableDesk
    states: StateService
    kept_states: KeptStates
    addresses: Addresses
    hooks: Mapping[str, GitHubHook]


@dataclass
class World:
    """The services, and short ways to fill the database."""

    services: Services
    app: Flask
    client: FlaskClient
    forge: FakeForge

    def with_settings(self, settings: Settings) -> FlaskClient:
        return create_app(replace(self.services, config=settings)).test_client()

    @property
    def password(self) -> str:
        return sign_in.password(self.services.vault)

    def stranger(self) -> FlaskClient:
        """A browser in which nobody has signed in."""
        return self.app.test_client()

    def sign_in(self, client: FlaskClient | None = None, password: str = "", **form: str) -> TestResponse:
        return (client or self.client).post("/sign-in", data={"password": password or self.password, **form})

    def visitor(self, login: str, role: Role | None = None, repo: RepoRef = INFRA) -> FlaskClient:
        """A browser in which somebody has signed in with the forge; `role` is theirs in the repository."""
        if role is not None:
            self.forge.set_role(repo, login, role)
        client = self.app.test_client()
        token = self.services.sessions.begin(Account("hub", login))
        client.set_cookie("plangate_session", token)
        return client

    def workspace(self, name: str = "network", repo: RepoRef = INFRA, **about: object) -> Workspace:
        made = Workspace(id=new_id("ws"), name=name, repo=repo, working_directory=name, **about)
        with self.services.store.transaction() as tx:
            return tx.workspaces.put(made)

    def run(self, workspace: Workspace, **about: object) -> Run:
        now = self.services.clock.now()
        fields: dict[str, object] = {
            "id": new_id("run"),
            "workspace_id": workspace.id,
            "status": RunStatus.PENDING,
            "source": RunSource.COMMENT,
            "plan_only": False,
            "commit": SHA,
            "branch": "main",
            "message": "Widen the subnet",
            "created_by": "bob",
            "created_at": now,
            "status_at": now,
        }
        run = Run(**(fields | about))
        with self.services.store.transaction() as tx:
            return tx.runs.add(run, RunEvent(run.id, now, run.status.value, run.created_by, ""))

    def reload(self, run: Run) -> Run:
        with self.services.store.reading() as tx:
            return tx.runs.get(run.id)

    def deliver(
        self, body: bytes, event: str = "ping", delivery: str = "d-1", **changes: str
    ) -> tuple[str, dict[str, str]]:
        """Return the path and the headers of a signed delivery."""
        signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": signature,
            "Content-Type": "application/json",
        }
        return "/hooks/hub", headers | changes

    def form_token(self, path: str, client: FlaskClient | None = None) -> str:
        """Open a page, as a browser does before it sends the form, and return the token in it."""
        page = (client or self.client).get(path).get_data(as_text=True)
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
        assert found, "the page has no form"
        return found[1]


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: copying it is quicker than migrating one for each test."""
    path = tmp_path_factory.mktemp("schema") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@contextmanager
def built(schema: Path, folder: Path) -> Iterator[World]:
    shutil.copy(schema, folder / "plangate.db")
    url = f"sqlite:///{folder / 'plangate.db'}"
    vault = FernetVault([generate_key()])
    store = SqlStore(url, vault)
    clock, dispatch = StandingClock(), QuietDispatch()
    transitions = Transitions(store, clock, dispatch)
    forge = FakeForge("hub")
    forge.set_branch(INFRA, "main", SHA)
    services = Services(
        config=Settings(),
        store=store,
        clock=clock,
        vault=vault,
        dispatch=dispatch,
        intake=StoringIntake(store),
        controls=Controls(store, clock, transitions),
        locking=Locking(store, clock, transitions),
        queueing=Queueing(store, clock, {"hub": forge}, NewRuns(clock, transitions), transitions),
        requiring=Requiring(store, {"hub": forge}, clock),
        rights=Rights({"hub": forge}, clock, [Account("hub", "olga")]),
        redelivering=Redelivering(store, clock, dispatch),
        sessions=Sessions(store, clock, timedelta(hours=12), timedelta(days=7)),
        tokens=Tokens(store, clock),
        forge_sign_in=ForgeSignIn({}, vault, clock, "http://plangate.example.com"),
        variables=VariableDesk(store, clock),
        states=StateService(store, vault, clock),
        kept_states=KeptStates(store, clock),
        addresses=Addresses("http://plangate.example.com", "http://127.0.0.1:8080", folder),
        hooks={"hub": GitHubHook("hub", (SECRET,), "https://hub.example.com")},
    )
    app = create_app(services)
    world = World(services, app, app.test_client(), forge)
    assert world.sign_in().status_code == 303
    yield world
    store.close()


@pytest.fixture
def world(schema: Path, tmp_path: Path) -> Iterator[World]:
    with built(schema, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def lasting_world(schema: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all of a module's examples: for tests that throw many things at it."""
    with built(schema, tmp_path_factory.mktemp("world")) as made:
        yield made
