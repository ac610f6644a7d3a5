"""`plangate setup`: its files are private, fit together, load, and never replace others."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bot.cli.server.setup import SetupAnswers, environment_of, files_of, setup
from bot.config import Config
from bot.wiring import configured

ANSWERS = [
    "--url",
    "https://plangate.example.com/",
    "--repo",
    "acme/infra",
    "--directory",
    "network",
    "--owners",
    "ana,ben",
    "--forge",
    "github",
]


def called(folder: Path, *more: str, words: str = "") -> Result:
    return CliRunner().invoke(setup, ["--folder", str(folder), "--no-check", *more], input=words)


def loaded(folder: Path, **more: str) -> Config:
    lines = [line.partition("=") for line in (folder / "plangate.env").read_text().splitlines()]
    return configured({name: value for name, _, value in lines if not name.startswith("#")} | more)


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_what_it_writes_loads_once_the_token_is_there(tmp_path: Path, forge: str) -> None:
    result = called(tmp_path, *ANSWERS[:-1], forge)
    assert result.exit_code == 0, result.output
    config = loaded(tmp_path, **{f"PLANGATE_{forge.upper()}_TOKEN": "token"})
    (place,) = config.workspaces
    assert (place.name, place.repo.path, place.working_directory) == ("network", "acme/infra", "network")
    assert config.url == "https://plangate.example.com"
    assert [account.login for account in config.owners] == ["ana", "ben"]
    assert config.forges[0].kind == forge
    assert len(config.secret_keys) == 1
    assert config.metrics_tokens


def test_it_asks_for_what_no_option_says(tmp_path: Path) -> None:
    result = called(tmp_path, words="https://plangate.example.com\nacme/infra\n.\ngithub\nana\n")
    assert result.exit_code == 0, result.output
    assert loaded(tmp_path, PLANGATE_GITHUB_TOKEN="t").workspaces[0].name == "infra"


def test_secrets_are_private_and_each_time_new(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert called(tmp_path / name, *ANSWERS).exit_code == 0
    for name in ("plangate.env", "secret-key"):
        assert stat.S_IMODE((tmp_path / "one" / name).stat().st_mode) == 0o600
        assert (tmp_path / "one" / name).read_text() != (tmp_path / "two" / name).read_text()
    output = called(tmp_path / "three", *ANSWERS).output
    assert (tmp_path / "three" / "secret-key").read_text().strip() not in output


def test_it_replaces_no_file_and_then_writes_none(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("mine")
    result = called(tmp_path, *ANSWERS)
    assert result.exit_code != 0
    assert "secret-key" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]
    assert (tmp_path / "secret-key").read_text() == "mine"


def test_if_a_file_can_not_be_written_none_stays(tmp_path: Path) -> None:
    (tmp_path / "systemd").write_text("not a folder")
    result = called(tmp_path, *ANSWERS)
    assert result.exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["systemd"]


def test_the_units_name_the_folder_that_was_chosen(tmp_path: Path) -> None:
    called(tmp_path, *ANSWERS)
    unit = (tmp_path / "systemd/plangate-web.service").read_text()
    assert f"EnvironmentFile={tmp_path / 'plangate.env'}" in unit


def test_for_compose_it_writes_every_file_that_compose_yml_names(tmp_path: Path) -> None:
    assert called(tmp_path, *ANSWERS, "--compose").exit_code == 0
    compose = yaml.safe_load((tmp_path / "compose.yml").read_text())
    for secret in compose["secrets"].values():
        path = tmp_path / secret["file"]
        assert path.read_text().strip()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "secrets/postgres_password").read_text() in (
        tmp_path / "secrets/database_url"
    ).read_text()
    assert (tmp_path / "secrets/redis_password").read_text() in (tmp_path / "secrets/redis_url").read_text()
    assert (tmp_path / "plangate.env").exists()
    assert not (tmp_path / "systemd").exists()


@pytest.mark.parametrize(
    ("option", "wrong", "said"),
    [
        ("--url", "plangate", "not a valid web address"),
        ("--repo", "acme", "write it as owner/name"),
        ("--repo", "acme/infra\nx: y", "write it as owner/name"),
        ("--directory", "net\nwork", "printable"),
        ("--owners", "ana\nPLANGATE_SANDBOX=off", "printable"),
        ("--forge", "svn", "is not one of"),
    ],
)
def test_a_wrong_answer_says_how_to_write_it(tmp_path: Path, option: str, wrong: str, said: str) -> None:
    words = list(ANSWERS)
    if option in words:
        words[words.index(option) + 1] = wrong
    else:
        words += [option, wrong]
    result = called(tmp_path, *words)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_odd_names_stay_text_in_plangate_yml(tmp_path: Path) -> None:
    answers = SetupAnswers(
        "https://x.test", "acme/infra", 'a: "b" #c', "github", "ana", "", "redis://x", False
    )
    text = files_of(answers, tmp_path)["plangate.yml"].text
    assert yaml.safe_load(text)["workspaces"][0]["working_directory"] == 'a: "b" #c'


def test_it_checks_the_result_as_doctor_does(tmp_path: Path) -> None:
    result = CliRunner().invoke(setup, ["--folder", str(tmp_path), *ANSWERS])
    assert result.exit_code == 0, result.output
    assert "PLANGATE_GITHUB_TOKEN" in result.output
    assert "To fix it" in result.output
    answers = SetupAnswers("https://x.test", "acme/infra", ".", "github", "", "", "redis://x", False)
    assert "PLANGATE_OWNERS" not in environment_of(files_of(answers, tmp_path))
