"""`plangate variables`, `sync` and `keys rotate`: on a database of its own, values past the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.domain.errors import ConfigError, Invalid, NotFound
from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.support import databases

SECRET = "xyzzy-plugh-42"
KEY = generate_key()
MANIFEST = """
workspaces:
  - {name: network, repo: acme/infra, variables: {region: eu}}
  - {name: dns, repo: acme/infra}
"""
Run = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "plangate.yml").write_text(MANIFEST)
    return {
        "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
        "PLANGATE_DATA": str(databases.data_folder(tmp_path / "data")),
        "PLANGATE_URL": "https://plangate.example.com",
        "PLANGATE_SECRET_KEY": KEY,
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        "PLANGATE_GITHUB_TOKEN": "token",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "LOGNAME": "olga",
    }


@pytest.fixture
def run(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a command; what it refuses in words of ours is raised."""
    monkeypatch.setattr("os.environ", settings)

    def give(*words: str, stdin: str | bytes = "") -> Result:
        done = CliRunner().invoke(cli, words, input=stdin, env=settings)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return give


def listed(run: Run, *where: str) -> dict[str, dict[str, Any]]:
    done = run("variables", "list", *where, "--json")
    assert done.exit_code == 0, done.output
    return {one["key"]: one for one in json.loads(done.stdout)}


def test_a_variable_is_set_listed_and_unset(run: Run) -> None:
    run("sync")
    done = run("variables", "set", "network", "zone", "--value", "a", "--description", "Where")
    assert "set terraform variable zone of the workspace network" in done.stdout
    found = listed(run, "network")
    assert found["zone"]["value"] == "a"
    assert found["zone"]["set_by"] == "cli:olga"
    assert found["region"]["set_by"] == "plangate.yml"
    assert (
        "zone = a  [terraform, from the workspace, set by cli:olga]"
        in run("variables", "list", "network").stdout
    )
    run("variables", "unset", "network", "zone")
    assert set(listed(run, "network")) == {"region"}


@pytest.mark.parametrize("way", ["stdin", "file", "prompt"])
def test_a_secret_is_given_past_the_command_line_and_never_printed(
    run: Run, tmp_path: Path, way: str
) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    how = {
        "stdin": ("--stdin",),
        "file": ("--value-file", str(tmp_path / "secret")),
        "prompt": (),
    }[way]
    done = run("variables", "set", "dns", "TOKEN", "--env", "--sensitive", *how, stdin=SECRET + "\n")
    outputs = [
        done,
        run("variables", "list", "dns"),
        run("variables", "list", "dns", "--json"),
        run("variables", "set", "dns", "TOKEN", "--env", "--value", "other", "--json"),
        run("variables", "unset", "dns", "TOKEN", "--env", "--json"),
    ]
    assert [one.exit_code for one in outputs] == [0] * 5
    assert not any(SECRET in one.output for one in outputs)
    assert "TOKEN = (sensitive, write only)  [env, from the workspace" in outputs[1].stdout
    assert json.loads(outputs[2].stdout)[0]["value"] is None
    assert json.loads(outputs[3].stdout)["sensitive"] is True


def test_what_is_given_is_what_is_kept(run: Run, settings: dict[str, str]) -> None:
    key = "-----BEGIN-----\nabc\n-----END-----\n"
    run("variables", "set", "dns", "key", "--stdin", stdin=key)
    run("variables", "set", "dns", "zones", "--hcl", "--stdin", stdin='["a",\n "b"]\n')
    found = listed(run, "dns")
    assert (found["key"]["value"], found["zones"]["hcl"]) == (key, True)
    run("variables", "set", "dns", "zones", "--no-hcl", "--value", "a")
    assert listed(run, "dns")["zones"]["hcl"] is False


def test_sets(run: Run) -> None:
    run("sync")
    assert run("variables", "sets", "list").stdout == "there are no sets\n"
    run("variables", "sets", "put", "company", "--global", "--description", "Ours")
    run("variables", "set", "--set", "company", "region", "--value", "us")
    run("variables", "set", "--set", "company", "owner", "--value", "platform")
    assert listed(run, "dns")["owner"]["from_set"] == "company"
    assert set(listed(run, "--set", "company")) == {"owner", "region"}
    lines = run("variables", "list", "network").stdout.splitlines()
    assert any("hidden by the workspace" in line for line in lines)
    run("variables", "sets", "put", "company", "net*")
    assert "owner" not in listed(run, "dns")
    (one,) = json.loads(run("variables", "sets", "list", "--json").stdout)
    assert (one["global"], one["workspaces"], len(one["variables"])) == (False, ["net*"], 2)
    assert "company  net*  2 variables  (cli:olga)" in run("variables", "sets", "list").stdout
    run("variables", "unset", "--set", "company", "owner")
    assert run("variables", "sets", "remove", "company", "--json").exit_code == 0
    assert json.loads(run("variables", "sets", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    "words",
    [
        ("set", "region"),
        ("set", "network", "dns", "region"),
        ("set", "network", "region", "--set", "company"),
        ("unset", "region"),
        ("list",),
        ("list", "network", "--set", "company"),
        ("set", "network", "a", "--value", "x", "--stdin"),
        ("set", "network", "a", "--value-file", "/nowhere"),
    ],
)
def test_what_is_not_clear_is_a_usage_error(run: Run, words: tuple[str, ...]) -> None:
    assert run("variables", *words, "--value", "x").exit_code == 2


def test_refusals_say_why(run: Run) -> None:
    run("sync")
    with pytest.raises(Invalid, match=r"region of the workspace network is set in plangate.yml"):
        run("variables", "set", "network", "region", "--value", "us")
    with pytest.raises(NotFound, match="no variable set named nowhere"):
        run("variables", "set", "--set", "nowhere", "a", "--value", "x")
    with pytest.raises(NotFound, match="no workspace named nowhere"):
        run("variables", "list", "nowhere")
    with pytest.raises(Invalid, match="set by Plangate itself"):
        run("variables", "set", "dns", "LD_PRELOAD", "--env", "--value", "x")
    done = run("variables", "set", "dns", "a", "--stdin", stdin=b"\xff\xfe")
    assert (done.exit_code, "is not UTF-8 text" in done.output) == (2, True)


def test_sync_says_what_it_did_to_variables(run: Run, settings: dict[str, str]) -> None:
    assert "set      region of network" in run("sync").stdout
    assert "region" not in run("sync").stdout
    Path(settings["PLANGATE_CONFIG"]).write_text(MANIFEST.replace("region: eu", ""))
    assert "removed  region of network" in run("sync").stdout
    settings["DNS_TOKEN"] = SECRET
    entry = "variables: [{key: token, value_env: DNS_TOKEN, sensitive: true}]"
    Path(settings["PLANGATE_CONFIG"]).write_text(MANIFEST.replace("variables: {region: eu}", entry))
    done = run("sync")
    assert "set      token of network" in done.stdout
    assert SECRET not in done.output
    del settings["DNS_TOKEN"]
    with pytest.raises(ConfigError, match="DNS_TOKEN is not set in the server's environment"):
        run("sync")


def test_a_command_in_somebodys_shell_does_not_bring_that_shells_credentials(
    run: Run, settings: dict[str, str]
) -> None:
    Path(settings["PLANGATE_CONFIG"]).write_text(
        MANIFEST.replace("{region: eu}", "[{key: AWS_PROFILE, category: env, value_env: AWS_PROFILE}]")
    )
    settings["AWS_PROFILE"] = "the-servers"
    run("sync")
    settings["AWS_PROFILE"] = "somebodys-own"
    assert listed(run, "network")["AWS_PROFILE"]["value"] == "the-servers"
    assert "set      AWS_PROFILE of network" in run("sync").stdout


def test_keys_rotate_so_that_the_old_one_can_go(run: Run, settings: dict[str, str]) -> None:
    run("sync")
    run("variables", "set", "dns", "token", "--stdin", "--sensitive", stdin=SECRET)
    new = generate_key()
    settings["PLANGATE_SECRET_KEY"] = f"{new},{KEY}"
    done = json.loads(run("keys", "rotate", "--json").stdout)
    # The two variables, and the root of the derived keys.
    assert (done["rotated"], done["current"], done["old_keys_can_go"]) == (3, 0, True)
    assert "the others can be dropped" in run("keys", "rotate").stdout
    settings["PLANGATE_SECRET_KEY"] = new
    assert set(listed(run, "dns")) == {"token"}
    store = SqlStore(f"sqlite:///{settings['PLANGATE_DATA']}/plangate.db", FernetVault([new]))
    with store.reading() as tx:
        (kept,) = tx.variables.of_workspace(tx.workspaces.named("dns").id)
    assert kept.variable.value == SECRET
    store.close()


def test_keys_that_do_not_fit_are_told_of(run: Run, settings: dict[str, str]) -> None:
    run("sync")
    settings["PLANGATE_SECRET_KEY"] = generate_key()
    done = run("keys", "rotate")
    assert done.exit_code == 1
    assert "Drop no key" in done.stdout
    assert json.loads(run("keys", "rotate", "--json").stdout)["old_keys_can_go"] is False


def test_a_variable_is_set_and_unset_for_one_phase(run: Run) -> None:
    run("sync")
    done = run("variables", "set", "network", "KEY", "--env", "--value", "reads", "--phase", "plan")
    assert done.exit_code == 0, done.output
    run("variables", "set", "network", "KEY", "--env", "--value", "writes", "--phase", "apply")
    assert "[env, apply only, from the workspace" in run("variables", "list", "network").output
    with pytest.raises(NotFound, match="there is one for: apply, plan"):
        run("variables", "unset", "network", "KEY", "--env")
    run("variables", "unset", "network", "KEY", "--env", "--phase", "plan")
    left = listed(run, "network")["KEY"]
    assert (left["value"], left["phase"]) == ("writes", "apply")
    with pytest.raises(Invalid, match="the saved plan holds its value"):
        run("variables", "set", "network", "size", "--value", "1", "--phase", "apply")
