"""The environment becomes a Config, or one error that says everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from bot.config import LogLevel, SandboxMode, table
from bot.config.configuration import PASSED_ON
from bot.config.settings import parse_duration
from bot.domain.errors import ConfigError
from bot.domain.people.accounts import Account
from bot.forges.github.kind import api_address
from bot.forges.kinds import KINDS
from bot.services.ports import OAuthClient
from bot.wiring import build, configured

KEY = "A" * 43 + "="
PEM = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    manifest = tmp_path / "plangate.yml"
    manifest.write_text("workspaces:\n  - {name: network, repo: acme/infra}\n")
    return {
        "PLANGATE_CONFIG": str(manifest),
        "PLANGATE_DATA": str(tmp_path / "data"),
        "PLANGATE_URL": "https://plangate.example.com/",
        "PLANGATE_SECRET_KEY": KEY,
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        "PLANGATE_GITHUB_TOKEN": "tok-123",
    }


def problems(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configured(environ)
    title, *lines = str(caught.value).splitlines()
    count = re.search(r"\d+|a problem", title)
    assert count
    assert len(lines) == (1 if count[0] == "a problem" else int(count[0]))
    return [line.removeprefix("  - ") for line in lines]


def test_downloads_are_off_until_something_vouches_for_them(environ: dict[str, str], tmp_path: Path) -> None:
    environ["REDIS_URL"] = "redis://localhost:6379"
    assert build(configured(environ)).binaries.source is None
    (tmp_path / "trusted").touch()
    for setting in ("PLANGATE_TERRAFORM_KEYS", "PLANGATE_TERRAFORM_CHECKSUMS"):
        found = build(configured({**environ, setting: str(tmp_path / "trusted")}))
        assert found.binaries.source is not None


def test_a_mirror_on_this_machine_may_speak_plain_http(environ: dict[str, str]) -> None:
    environ["PLANGATE_TERRAFORM_MIRROR"] = "http://127.0.0.1:8080/"
    assert configured(environ).terraform_mirror == "http://127.0.0.1:8080"


def test_little_needs_to_be_set(environ: dict[str, str], tmp_path: Path) -> None:
    config = configured(environ)
    assert config.url == config.internal_url == "https://plangate.example.com"
    assert config.database_url == f"sqlite:///{tmp_path}/data/plangate.db"
    assert config.redis_url is None
    assert config.plan_timeout == timedelta(hours=2)
    assert config.apply_timeout == timedelta(hours=24)
    assert (config.lease, config.sweep) == (timedelta(seconds=60), timedelta(seconds=15))
    assert (config.runs.sandbox, config.log_level) == (SandboxMode.REQUIRED, LogLevel.INFO)
    assert config.terraform_from_path
    assert config.warnings == ()
    [forge] = config.forges
    assert (forge.name, forge.url, forge.api_url) == (
        "github",
        "https://github.com",
        "https://api.github.com",
    )
    assert forge.login == {"token": "tok-123"}
    assert config.forge("github") is forge


def test_everything_can_be_set(environ: dict[str, str], tmp_path: Path) -> None:
    config = configured(
        environ
        | {
            "PLANGATE_URL": "http://127.0.0.1:8080",
            "PLANGATE_INTERNAL_URL": "http://web:8080/",
            "PLANGATE_SECRET_KEY": f"{KEY}, {'B' * 42}E=",
            "DATABASE_URL": "postgres://u:p@db/plangate",
            "REDIS_URL": "redis://cache:6379/0",
            "PLANGATE_GITHUB_WEBHOOK_SECRET": "new, old",
            "PLANGATE_TERRAFORM_DIR": str(tmp_path),
            "PLANGATE_TERRAFORM_FROM_PATH": "No",
            "PLANGATE_PROVIDER_MIRROR": str(tmp_path),
            "PLANGATE_SANDBOX": "Required",
            "PLANGATE_PLAN_TIMEOUT": "1h30m",
            "PLANGATE_APPLY_TIMEOUT": "2d",
            "PLANGATE_LEASE_SECONDS": "10",
            "PLANGATE_SWEEP_SECONDS": "1",
            "PLANGATE_LOCAL_ADMIN": "ada",
            "PLANGATE_LOG_LEVEL": "debug",
        }
    )
    assert config.internal_url == "http://web:8080"
    assert config.secret_keys == (KEY, "B" * 42 + "E=")
    assert config.database_url == "postgresql+psycopg://u:p@db/plangate"
    assert config.require_redis() == "redis://cache:6379/0"
    assert config.forges[0].webhook_secrets == ("new", "old")
    assert config.terraform_dir == config.provider_mirror == tmp_path
    assert not config.terraform_from_path
    assert config.runs.sandbox is SandboxMode.REQUIRED
    assert config.plan_timeout == timedelta(minutes=90)
    assert config.apply_timeout == timedelta(days=2)
    assert (config.lease, config.sweep) == (timedelta(seconds=10), timedelta(seconds=1))
    assert (config.local_admin, config.log_level) == ("ada", LogLevel.DEBUG)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    found = problems({"PLANGATE_CONFIG": str(tmp_path / "none.yml"), "PLANGATE_SANDBOX": "sure"})
    assert [line.split(":")[0] for line in found] == [
        str(tmp_path / "none.yml"),
        "PLANGATE_GITHUB_TOKEN",
        "PLANGATE_GITHUB_WEBHOOK_SECRET",
        "PLANGATE_URL",
        "PLANGATE_SANDBOX",
        "PLANGATE_SECRET_KEY",
    ]
    assert "openssl rand" in found[5]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PLANGATE_URL", "plangate.example.com", "write it as https://host"),
        ("PLANGATE_URL", "https://ada:pw@plangate.example.com", "no user, password"),
        ("PLANGATE_URL", "https://[", "write it as https://host"),
        ("PLANGATE_INTERNAL_URL", "web", "write it as https://host"),
        ("PLANGATE_SECRET_KEY", "short", "is not a valid key: create one with openssl"),
        ("PLANGATE_SECRET_KEY", f"{KEY},short", "key 2 of 2 is not a valid key"),
        ("DATABASE_URL", "mysql://root:hunter2@db/x", "must start with postgresql:// or sqlite:///"),
        ("REDIS_URL", "cache:6379", "must start with redis://"),
        ("PLANGATE_TERRAFORM_DIR", "/no/such/folder", "there is no folder `/no/such/folder`: create it"),
        ("PLANGATE_PROVIDER_MIRROR", "/no/such/folder", "there is no folder"),
        ("PLANGATE_TERRAFORM_KEYS", "/no/such/file", "there is no file `/no/such/file`: create it"),
        ("PLANGATE_TERRAFORM_CHECKSUMS", "/", "there is no file `/`"),
        ("PLANGATE_TERRAFORM_MIRROR", "http://mirror.example.org", "downloaded only over https"),
        ("PLANGATE_TOFU_MIRROR", "ftp://mirror.example.org", "is not a valid web address"),
        ("PLANGATE_TERRAFORM_FROM_PATH", "maybe", "write true or false"),
        ("PLANGATE_SANDBOX", "require", "did you mean `required`?"),
        ("PLANGATE_PLAN_TIMEOUT", "90", "write it with units, such as 90s"),
        ("PLANGATE_APPLY_TIMEOUT", "0s", "is not a valid duration"),
        ("PLANGATE_LEASE_SECONDS", "1", "must be a number of seconds from 2"),
        ("PLANGATE_SWEEP_SECONDS", "\N{SUPERSCRIPT TWO}", "must be a number of seconds from 1"),
        ("PLANGATE_LOCAL_ADMIN", "ada", "unset it"),
        ("PLANGATE_LOCAL_ADMIN", "a da", "is not a valid login"),
        ("PLANGATE_LOG_LEVEL", "verbose", "use one of: `DEBUG`, `ERROR`, `INFO`, `WARNING`"),
        ("PLANGATE_GITHUB_APP_ID", "12", "is set, and so is the App"),
        ("PLANGATE_GITHUB_WEBHOOK_SECRET", " , ", "is not set"),
    ],
)
def test_a_wrong_setting_says_what_to_write(
    environ: dict[str, str], name: str, value: str, says: str
) -> None:
    [problem] = problems(environ | {name: value})
    assert says in problem
    assert "hunter2" not in problem
    assert name in problem or name == "PLANGATE_GITHUB_APP_ID"


def test_an_app_needs_both_id_and_key(environ: dict[str, str]) -> None:
    del environ["PLANGATE_GITHUB_TOKEN"]
    [problem] = problems(environ | {"PLANGATE_GITHUB_APP_ID": "12"})
    assert problem == (
        "PLANGATE_GITHUB_APP_PRIVATE_KEY: is not set, but PLANGATE_GITHUB_APP_ID is: an App needs both"
    )
    app = environ | {"PLANGATE_GITHUB_APP_ID": "12", "PLANGATE_GITHUB_APP_PRIVATE_KEY": "key.pem"}
    [problem] = problems(app)
    assert "use PLANGATE_GITHUB_APP_PRIVATE_KEY_FILE" in problem
    app["PLANGATE_GITHUB_APP_PRIVATE_KEY"] = PEM.replace("\n", "\\n")
    assert configured(app).forges[0].login == {"app_id": "12", "app_private_key": PEM}


def test_a_secret_may_stand_in_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    del environ["PLANGATE_GITHUB_TOKEN"]
    file = tmp_path / "token"
    environ["PLANGATE_GITHUB_TOKEN_FILE"] = str(file)
    assert any("can't read" in line and "No such file" in line for line in problems(environ))
    file.write_text("\n")
    assert any("is empty: put the secret into it" in line for line in problems(environ))
    file.write_bytes(b"\xff")
    assert any("it is not UTF-8 text" in line for line in problems(environ))
    file.write_text("from-file\n")
    assert configured(environ).forges[0].login == {"token": "from-file"}
    [problem] = problems(environ | {"PLANGATE_GITHUB_TOKEN": "t"})
    assert problem == "PLANGATE_GITHUB_TOKEN: is set, and so is PLANGATE_GITHUB_TOKEN_FILE: keep one of them"


def test_the_repr_shows_no_secret(environ: dict[str, str]) -> None:
    environ |= {"DATABASE_URL": "postgresql://u:db-pw@db/x", "REDIS_URL": "redis://:redis-pw@r/0"}
    text = repr(configured(environ))
    for secret in (KEY, "hook", "tok-123", "db-pw", "redis-pw"):
        assert secret not in text
    assert "https://plangate.example.com" in text


def test_the_variable_of_programs_for_their_token_is_no_misspelt_setting(environ: dict[str, str]) -> None:
    assert not configured(environ | {"PLANGATE_TOKEN": "plangate_x"}).warnings


def test_a_misspelt_setting_is_warned_of(environ: dict[str, str]) -> None:
    config = configured(environ | {"PLANGATE_SANDBX": "off", "HOME": "/root"})
    assert config.warnings == (
        "PLANGATE_SANDBX is set, but there is no such setting: did you mean PLANGATE_SANDBOX?",
    )


def test_redis_is_asked_for_only_where_it_is_needed(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="`plangate demo` brings its own"):
        configured(environ).require_redis()


class Noting(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values_, self.asked = values, set[str]()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_the_table_holds_exactly_the_settings_that_are_read(environ: dict[str, str]) -> None:
    Path(environ["PLANGATE_CONFIG"]).write_text(
        "forges: {github: {kind: github}, gitlab: {kind: gitlab}}\n"
        "workspaces:\n  - {name: network, repo: 'github:acme/infra'}\n"
    )
    gitlab = {"PLANGATE_GITLAB_TOKEN": "tok-456", "PLANGATE_GITLAB_WEBHOOK_SECRET": "hook"}
    noting = Noting(environ | gitlab)
    configured(noting)
    secret = {f"{setting.name}_FILE" for setting in table(KINDS) if setting.secret}
    # Ids are read like secrets, so that a forge of one's own may name where each stands.
    ids = {f"PLANGATE_{name}_ID_FILE" for name in ("GITHUB_APP", "GITHUB_CLIENT", "GITLAB_CLIENT")}
    assert noting.asked - {*ids, *PASSED_ON} == {setting.name for setting in table(KINDS)} | secret


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), ("1H", 3600)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "1", "h", "30m1h", "-1h", "1.5h", "1h ", "9" * 19 + "d", "99999999999d"]
)
def test_wrong_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://github.example.com", "https://github.example.com/api/v3"),
    ],
)
def test_api_addresses(url: str, api: str) -> None:
    assert api_address(url) == api


def test_owners_are_logins_on_the_forge(environ: dict[str, str]) -> None:
    environ["PLANGATE_OWNERS"] = "ana, github:Ben"
    assert configured(environ).owners == (Account("github", "ana"), Account("github", "Ben"))
    environ["PLANGATE_OWNERS"] = "lab:ana an@na"
    said = problems(environ)
    assert len(said) == 2
    assert "there is no such forge" in said[0]
    assert "is not a valid login" in said[1]


def test_an_owner_is_on_one_forge_where_there_are_several(environ: dict[str, str]) -> None:
    Path(environ["PLANGATE_CONFIG"]).write_text(
        "forges: {github: {kind: github}, gitlab: {kind: gitlab}}\n"
        "workspaces:\n  - {name: network, repo: 'github:acme/infra'}\n"
    )
    environ |= {"PLANGATE_GITLAB_TOKEN": "tok-456", "PLANGATE_GITLAB_WEBHOOK_SECRET": "hook"}
    environ["PLANGATE_OWNERS"] = "gitlab:ana"
    assert configured(environ).owners == (Account("gitlab", "ana"),)
    environ["PLANGATE_OWNERS"] = "ana"
    assert "name it, such as `github:ana`" in problems(environ)[0]


def test_signing_in_takes_an_id_and_a_secret(environ: dict[str, str]) -> None:
    assert configured(environ).forges[0].client is None
    environ["PLANGATE_GITHUB_CLIENT_ID"] = "Iv1"
    assert "needs both" in problems(environ)[0]
    environ["PLANGATE_GITHUB_CLIENT_SECRET"] = "quiet"
    client = configured(environ).forges[0].client
    assert client == OAuthClient("Iv1", "quiet")
    assert "quiet" not in repr(client)
