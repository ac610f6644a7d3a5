"""A whole world behind the pages: a real database and vault, a clock that stands, and a forge's hook."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot import wiring
from bot.config.file.positions import OptionPositions
from bot.domain.events import Ignored, RepoRef
from bot.domain.ids import new_id
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.forges.github.receiver import GitHubHook
from bot.services.people import local_sign_in
from bot.services.ports import Addresses, Delivery, Limits, QueueHealth, QueueLoad
from bot.web import create_app
from bot.web.request import services as needs
from bot.web.runs import live as runs_live
from bot.web.runs.live import Streams
from bot.wiring import world as outside
from bot.wiring.engine import binaries_of, sandbox_of
from tests.fakes.engine import FakeEngine
from tests.fakes.forge import FakeForge
from tests.fakes.merges import FakeMerges
from tests.fakes.messengers import FakeMessengers
from tests.fakes.meter import FakeMeter
from tests.fakes.policies import FakePolicies
from tests.fakes.settings import settings
from tests.fakes.tasks import FakeHookRunner, FakeTaskCaller
from tests.fakes.texts import PlainTexts
from tests.support.stores import KeptStore, Stores

METRICS_TOKENS = ("a" * 16, "b" * 32)
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
    swept: datetime | None = None
    waiting: dict[str, QueueLoad] = field(default_factory=dict)

    def ping(self) -> None:
        if self.down:
            raise ConnectionError("no Redis")

    def open_to_anybody(self) -> bool:
        return False

    def note_sweep(self, at: datetime) -> None:
        self.ping()
        self.swept = at

    def swept_at(self) -> datetime | None:
        self.ping()
        return self.swept

    def load(self) -> dict[str, QueueLoad]:
        self.ping()
        return self.waiting

    def condition(self) -> QueueHealth:
        self.ping()
        return QueueHealth("quiet", None, False, {}, {}, None)

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(delivery_id)

    def advance(self, run: Run, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(run.id)

    def advance_all(self, runs: Sequence[Run], *, swept: bool = False) -> None:
        for run in runs:
            self.advance(run, swept=swept)

    def report_later(self, subject: str, at: datetime) -> None:
        self.report(subject)

    def report(self, subject: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(subject)

    def replay(self, replay_id: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(replay_id)

    def check_drift(self, *, swept: bool = False) -> None:
        pass

    def forecast(self, *, swept: bool = False) -> None:
        self.ping()

    def catch_up(self, repo: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(repo)

    def check_hook(self, hook: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(hook)

    def notify(self, destination: str, *, swept: bool = False) -> None:
        self.ping()
        self.woken.append(destination)


@dataclass
class World:
    """The services, and short ways to fill the database."""

    services: wiring.Services
    app: Flask
    client: FlaskClient
    forge: FakeForge
    clock: StandingClock
    dispatch: QuietDispatch
    database: Path

    def with_settings(self, **changed: Any) -> FlaskClient:
        config = replace(self.services.config, **changed)
        return create_app(replace(self.services, config=config)).test_client()

    @property
    def password(self) -> str:
        return local_sign_in.password(self.services.vault)

    def stranger(self) -> FlaskClient:
        """A browser in which nobody has signed in."""
        return self.app.test_client()

    def sign_in(self, client: FlaskClient | None = None, password: str = "", **form: str) -> TestResponse:
        return (client or self.client).post("/sign-in", data={"password": password or self.password, **form})

    def cookie(self, name: str = "plangate_session", client: FlaskClient | None = None) -> str:
        """What a browser has kept under that name."""
        found = (client or self.client).get_cookie(name)
        assert found is not None, f"the browser has no {name}"
        return found.value

    def visitor(self, login: str, role: Role | None = None, repo: RepoRef = INFRA) -> FlaskClient:
        """A browser in which somebody has signed in with the forge; `role` is theirs in the repository."""
        if role is not None:
            self.forge.set_role(repo, login, role)
        client = self.app.test_client()
        token = self.services.sessions.begin(Account("hub", login))
        client.set_cookie("plangate_session", token)
        return client

    def workspace(self, name: str = "network", repo: RepoRef = INFRA, **about: Any) -> Workspace:
        made = Workspace(id=new_id("ws"), name=name, repo=repo, working_directory=name, **about)
        with self.services.store.transaction() as tx:
            return tx.workspaces.put(made)

    def run(self, workspace: Workspace, **about: Any) -> Run:
        now = self.services.clock.now()
        fields: dict[str, Any] = {
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


def _parse(delivery: Delivery) -> Ignored:
    return Ignored(f"nobody works on {delivery.id} here")


@contextmanager
def built(kept: KeptStore, folder: Path, app: Flask | None = None) -> Iterator[World]:
    """Build a world. Using the `app` of an earlier one, which has ended, saves most of the time."""
    store, vault = kept.store, kept.vault
    clock, dispatch = StandingClock(), QuietDispatch()
    forge = FakeForge("hub")
    forge.set_branch(INFRA, "main", SHA)
    config = settings(
        url="http://plangate.example.com",
        internal_url="http://127.0.0.1:8080",
        local_admin="alice",
        owners=(Account("hub", "olga"),),
        written=OptionPositions(),
        metrics_tokens=METRICS_TOKENS,
    )
    policies = FakePolicies()
    services = wiring.build_services(
        outside.World(
            clock=clock,
            store=store,
            vault=vault,
            dispatch=dispatch,
            queues=dispatch,
            addresses=Addresses(config.url, config.internal_url, folder),
            limits=Limits(),
            texts=PlainTexts(),
            forges={"hub": forge},
            forge_checks={},
            hooks={"hub": GitHubHook("hub", (SECRET,), "https://hub.example.com")},
            sign_ins={},
            parse=_parse,
            engine=FakeEngine(),
            merges=FakeMerges(),
            binaries=binaries_of(config),
            sandbox=sandbox_of(config),
            policies=policies,
            set_files=policies,
            meter=FakeMeter(),
            messengers=FakeMessengers(),
            task_caller=FakeTaskCaller(),
            hook_runner=FakeHookRunner(),
        ),
        config,
    )
    if app is None:
        app = create_app(services)
    else:
        needs.install(app, services)
        runs_live.install(app, Streams())
    world = World(services, app, app.test_client(), forge, clock, dispatch, kept.path)
    assert world.sign_in().status_code == 303
    yield world


_apps: list[Flask] = []


@pytest.fixture
def world(stores: Stores, tmp_path: Path) -> Iterator[World]:
    with stores.one() as kept, built(kept, tmp_path, *_apps) as made:
        _apps[:] = [made.app]
        yield made


@pytest.fixture(scope="module")
def lasting_world(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all of a module's examples: for tests that throw many things at it."""
    with stores.one() as kept, built(kept, tmp_path_factory.mktemp("world")) as made:
        yield made
