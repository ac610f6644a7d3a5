"""A third kind of forge: its folder's one value and its registration are all that it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cli.doctor import look
from bot.config import Config, table
from bot.config.file.manifest import json_schema
from bot.domain.errors import ConfigError, Invalid
from bot.domain.events import BranchPushed, ForgeEvent, Ignored, RepoRef
from bot.domain.people.accounts import Account
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.terms import ForgeWords
from bot.forges.kinds import KINDS, parser
from bot.services.ports import (
    AccessTokens,
    Clock,
    Delivery,
    ForgeConfig,
    ForgeFault,
    ForgeForm,
    ForgeKind,
    ForgeSetting,
    ForgeValues,
    HookEvent,
    HookHeaders,
    Meter,
    OAuthClient,
    ReportProblem,
    RunQuery,
    SignInRequest,
)
from bot.services.variables.sync import sync
from bot.store import migrate
from bot.web import create_app
from bot.wiring import Services, build_services, configured, world_of
from tests.fakes.dispatch import FakeDispatch
from tests.fakes.forge import FakeForge

REPO = RepoRef("berg", "acme/net/infra")
MANIFEST = """
forges:
  berg: {kind: bergwerk, url: "https://berg.example.com", user_env: BERG_USER}
workspaces:
  - {name: net, repo: acme/net/infra}
"""


# --- what the folder of the new kind would have -------------------------------------------------------------


class BergHook:
    """Signs with the secret itself; a push is `{"id", "branch", "commit"}`."""

    kind = "bergwerk"
    words = ForgeWords("proposal", "%")

    def __init__(self, name: str, secrets: tuple[str, ...]) -> None:
        self.name, self._secrets = name, secrets

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return headers.get("x-berg-secret") in self._secrets

    def read(self, headers: Mapping[str, str], body: bytes) -> HookHeaders:
        return HookHeaders(json.loads(body)["id"], "push", {})

    def check(self, read: HookHeaders, body: bytes) -> HookEvent:
        return HookEvent(REPO.path, pushed(body))

    def commit_url(self, repo: RepoRef, sha: str) -> str:
        return ""


class BergForge(FakeForge):
    """Answers the doctor as well. `login` is what it was given to sign in with."""

    def __init__(self, name: str, login: Mapping[str, str]) -> None:
        super().__init__(name)
        self.given = login

    def clock_ahead(self) -> timedelta:
        return timedelta()

    def whoami(self) -> str:
        return self.given["user"]

    def lacking(self, repo: RepoRef, *, merges: bool = False, teams: bool = False) -> tuple[str, ...]:
        return ()

    def lacking_on(self, repo: RepoRef, branch: str) -> tuple[str, ...]:
        return ()

    def advice(self, repo: RepoRef, branch: str) -> tuple[ForgeFault, ...]:
        return ()

    def token_faults(self) -> tuple[ForgeFault, ...]:
        return (ForgeFault("the pick is blunt", "Sharpen it", sure=False),)

    def hook_faults(self, repos: object, url: str) -> tuple[ForgeFault, ...]:
        return ()


class BergSignIn:
    title = "Bergwerk"

    def begin(self, callback: str) -> SignInRequest:
        return SignInRequest(f"https://berg.example.com/door?back={callback}", "state", "verifier")

    def finish(self, callback: str, code: str, verifier: str) -> Account:
        raise Invalid(f"{code} is not known")


def login(given: ForgeValues, note: ReportProblem) -> Mapping[str, str]:
    if not given.values["user"]:
        note("user", f"is not set{given.forge}: set it to the miner's name")
    return {"user": given.values["user"]}


def parse(delivery: Delivery) -> ForgeEvent | Ignored:
    return pushed(delivery.body)


def pushed(body: bytes) -> BranchPushed:
    about = json.loads(body)
    return BranchPushed(REPO, about["branch"], "before", about["commit"], "mia", "Dig", "main")


def hook(config: ForgeConfig, clock: Clock) -> BergHook:
    return BergHook(config.name, config.webhook_secrets)


def client(config: ForgeConfig, tokens: AccessTokens, meter: Meter) -> BergForge:
    found = BergForge(config.name, config.login)
    found.set_branch(REPO, "main", "c0ffee", default=True)
    found.set_files_between(REPO, "before", "c0ffee", ["main.tf"])
    return found


def sign_in(config: ForgeConfig, client: OAuthClient) -> BergSignIn:
    return BergSignIn()


BERGWERK = ForgeKind(
    name="bergwerk",
    title="Bergwerk",
    form=ForgeForm(
        public_url="https://bergwerk.example.com",
        api_url=lambda url: f"{url}/rest",
        settings=(
            ForgeSetting("webhook_secret", "the webhook's secret", "Secret of the webhooks of a Bergwerk"),
            ForgeSetting("user", "the miner's name", "Name that we dig under", secret=False),
            ForgeSetting("client_id", "the client id", "Client id", secret=False),
            ForgeSetting("client_secret", "the client's secret", "The client's secret"),
        ),
        login=login,
        enough="a name is enough",
        subgroups=True,
    ),
    hook=hook,
    parse=parse,
    client=client,
    sign_in=sign_in,
)

# --- the registration ---------------------------------------------------------------------------------------

REGISTERED = {**KINDS, "bergwerk": BERGWERK}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "plangate.yml").write_text(MANIFEST)
    return {
        "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
        "PLANGATE_DATA": str(tmp_path),
        "PLANGATE_URL": "http://plangate.example.com",
        "PLANGATE_SECRET_KEY": "A" * 43 + "=",
        "PLANGATE_SANDBOX": "off",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PLANGATE_BERGWERK_WEBHOOK_SECRET": "glueck auf, mia!",
        "PLANGATE_BERGWERK_CLIENT_ID": "id",
        "PLANGATE_BERGWERK_CLIENT_SECRET": "hush",
        "BERG_USER": "mia",
    }


def built(config: Config) -> Services:
    dispatch = FakeDispatch()
    return build_services(replace(world_of(config, REGISTERED), dispatch=dispatch, queues=dispatch), config)


@pytest.fixture
def services(environ: dict[str, str]) -> Services:
    config = configured(environ, REGISTERED)
    migrate(config.database_url)
    made = built(config)
    sync(made.store, made.clock.now(), config.workspaces, config.discover)
    return made


def refusal(environ: dict[str, str], kinds: Mapping[str, ForgeKind]) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(environ, kinds)
    return str(caught.value)


def test_it_is_configured_by_the_settings_of_its_own(environ: dict[str, str]) -> None:
    config = configured(environ, REGISTERED)
    [forge] = config.forges
    assert (forge.name, forge.kind, forge.api_url) == ("berg", "bergwerk", "https://berg.example.com/rest")
    assert forge.login == {"user": "mia"}
    assert forge.webhook_secrets == ("glueck auf", "mia!")
    assert config.workspaces[0].repo == REPO
    assert config.warnings == ()
    del environ["BERG_USER"]
    assert "BERG_USER: is not set (forge `berg`): set it to the miner's name" in refusal(environ, REGISTERED)


def test_its_settings_and_keys_are_listed_with_the_others() -> None:
    assert {"PLANGATE_BERGWERK_USER", "PLANGATE_GITLAB_TOKEN"} <= {each.name for each in table(REGISTERED)}
    entry = json_schema(REGISTERED)["$defs"]["ForgeEntry"]["properties"]
    assert entry["kind"]["enum"] == ["github", "gitlab", "bergwerk"]
    assert entry["user_env"]["description"] == "Variable with the miner's name"
    assert "user_env" not in json_schema(KINDS)["$defs"]["ForgeEntry"]["properties"]


def test_its_keys_are_not_for_others(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "plangate.yml").write_text(MANIFEST.replace("bergwerk", "gitlab"))
    said = refusal(environ, REGISTERED)
    assert "user_env: is for Bergwerk alone: leave it out, `url` and a token are enough" in said


def test_a_kind_that_is_not_registered_is_refused_and_never_taken_for_another(
    environ: dict[str, str],
) -> None:
    said = refusal(environ, KINDS)
    assert "forges.berg.kind: `bergwerk` is not known; use one of: `github`, `gitlab`" in said
    assert "PLANGATE_GITHUB_TOKEN" not in said


def test_a_form_without_the_settings_that_every_kind_has_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the settings client_id, client_secret, webhook_secret"):
        replace(BERGWERK.form, settings=())


def test_its_webhooks_become_runs_by_its_own_hook_and_parser(services: Services) -> None:
    browser = create_app(services).test_client()
    body = json.dumps({"id": "dig-1", "branch": "main", "commit": "c0ffee"})
    assert browser.post("/hooks/berg", data=body, headers={"X-Berg-Secret": "wrong"}).status_code == 401
    assert browser.post("/hooks/berg", data=body, headers={"X-Berg-Secret": "mia!"}).status_code == 202
    services.intake.handle("dig-1")
    with services.store.reading() as tx:
        [run] = tx.runs.find(RunQuery())
    assert (run.commit, run.status, run.created_by) == ("c0ffee", RunStatus.PENDING, "mia")


def test_its_client_is_the_one_that_services_speak_with(services: Services) -> None:
    forge = services.forges["berg"]
    assert isinstance(forge, BergForge)
    assert forge.given == {"user": "mia"}


def test_people_sign_in_with_it(services: Services) -> None:
    browser = create_app(services).test_client()
    assert "Sign in with Bergwerk" in browser.get("/sign-in").get_data(as_text=True)
    sent = browser.get("/sign-in/berg").headers["Location"]
    assert sent == "https://berg.example.com/door?back=http://plangate.example.com/sign-in/berg/callback"


def test_the_doctor_asks_it(environ: dict[str, str]) -> None:
    found = {one.name: one for one in look(lambda: configured(environ, REGISTERED), built)}
    assert found["berg: sign-in"].found == "as mia"
    assert found["berg: token"].found == "the pick is blunt"
    assert found["berg: permissions"].found == "suffice in 1 repository"
    assert found["signing in with berg"].state == "ok"


def test_a_delivery_of_a_forge_that_is_gone_from_the_configuration_is_refused_with_words(
    services: Services,
) -> None:
    late = Delivery("dig-2", "gone", "push", {}, b"{}", services.clock.now())
    with pytest.raises(ConfigError, match="no forge is configured under the name gone"):
        parser(services.config.forges, REGISTERED)(late)
    with services.store.transaction() as tx:
        tx.deliveries.add(late)
    services.intake.handle("dig-2")
    with services.store.reading() as tx:
        kept = tx.deliveries.get("dig-2")
    assert kept.handled_at is not None
    assert "no forge is configured under the name gone" in kept.error
