"""Which directories of a commit use which others: read from its files by Git alone, whatever is in them."""

from __future__ import annotations

import json
import os
import posixpath
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.workspaces.modules import users_of
from bot.terraform.repository.checkout import Checkout
from bot.terraform.repository.module_calls import ModuleCalls
from tests.support.backend import TERRAFORM
from tests.terraform.conftest import Rig


class Reader:
    """Reads calls with a Git that notes down what it is called for."""

    def __init__(self, rig: Rig, tmp: Path) -> None:
        self.rig = rig
        self._log = tmp / "git.log"
        wrapper = tmp / "bin" / "git"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\necho "$1" >> {self._log}\nexec {shutil.which("git")} "$@"\n')
        wrapper.chmod(0o755)
        passed = {**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
        self.checkout = Checkout(rig.data, passed, settling=())
        self._calls = ModuleCalls(self.checkout)

    def of(self, commit: str) -> dict[str, set[str]]:
        found = self._calls.of(self.rig.repository.remote, commit)
        return {directory: set(places) for directory, places in found.items()}

    def users(self, commit: str, *paths: str) -> set[str]:
        return set(users_of(self.of(commit), paths))

    def asked(self) -> list[str]:
        """Return what Git was asked since the last time."""
        found = self._log.read_text().split() if self._log.exists() else []
        self._log.write_text("")
        return found


@pytest.fixture
def reader(rig: Rig, tmp_path: Path) -> Reader:
    return Reader(rig, tmp_path)


def calls(*sources: str) -> str:
    return "".join(f'module "m{n}" {{\n  source = "{source}"\n}}\n' for n, source in enumerate(sources))


def test_modules_in_and_outside_of_the_directory(reader: Reader) -> None:
    commit = reader.rig.repository.commit({
        "envs/prod/main.tf": calls("./parts", "../../modules/net", "../dns"),
        "modules/net/main.tf": calls("../base//sub/../"),
        "main.tf": calls("./modules/net"),
        "envs/dev/main.tf": calls("hashicorp/consul/aws", "git::https://example.com/x.git", "/etc"),
    })  # fmt: skip
    assert reader.of(commit) == {
        "envs/prod": {"envs/prod/parts", "modules/net", "envs/dns"},
        "modules/net": {"modules/base"},
        "": {"modules/net"},
    }
    assert reader.users(commit, "modules/base/x.tf") == {"modules/net", "envs/prod", ""}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tf", 'module "m" {\n  providers = {}\n\tsource="../m" # why\n}'),
        ("a.tf", 'module m { source = "../m" }'),
        ("a.tf", '/* module */ module "m"\n{\n  version = "1"\n  source  =  "../m"\n}\n'),
        ("a.tofu", 'module "m" {\n  source = "../m"\n}'),
        ("a.tf.json", '{"module": {"m": {"source": "../m"}}}'),
        ("a.tf.json", '{"module": [{"m": [{"source" :\n"../m"}]}]}'),
        ("override.tf", 'module "m" {\n  source = "../m"\n}'),
    ],
)
def test_calls_in_any_form(reader: Reader, name: str, text: str) -> None:
    commit = reader.rig.repository.commit({f"app/{name}": text})
    assert reader.of(commit) == {"app": {"m"}}


def test_paths_that_leave_the_repository_are_left_out(reader: Reader) -> None:
    commit = reader.rig.repository.commit({
        "app/main.tf": calls("../../other", "../../../../etc", "../app/../../x", "../../" + "a/" * 400, ".."),
        "app/more.tf": calls("../m/..", "./..", "../${var.x}", "../a\\nb"),
    })  # fmt: skip
    assert reader.of(commit) == {"app": {""}}


def test_links_count_as_calls_of_what_they_lead_to(reader: Reader) -> None:
    root = reader.rig.repository.root
    (root / "app").mkdir(parents=True)
    (root / "stacks").mkdir()
    for path, target in {
        "app/net": "../modules/net",
        "app/providers.tf": "../shared/providers.tf",
        "app/out": "/etc",
        "app/round": "round",
        "shortcut": "modules",
        "stacks/prod": "../app",
    }.items():
        (root / path).symlink_to(target)
    commit = reader.rig.repository.commit({
        "app/main.tf": calls("./net", "../shortcut/dns", "./round", "./out/x"),
        "shared/providers.tf": calls("../modules/own"),
        "modules/net/main.tf": "",
        "modules/dns/main.tf": "",
    })  # fmt: skip
    found = reader.of(commit)
    assert {"modules/net", "modules/dns", "shared/providers.tf", "app/net", "shortcut/dns"} <= found["app"]
    # The source in the file that is linked starts at the directory that has the link.
    assert "modules/own" in found["app"]
    assert reader.users(commit, "modules/net/main.tf") >= {"app", "stacks/prod"}
    assert reader.users(commit, "shared/providers.tf") >= {"app", "stacks/prod"}


def test_a_module_that_was_removed_is_still_used_by_those_that_call_it(reader: Reader) -> None:
    reader.rig.repository.commit({"app/main.tf": calls("../m"), "m/main.tf": ""})
    (reader.rig.repository.root / "m/main.tf").unlink()
    commit = reader.rig.repository.commit({"other/main.tf": ""})
    assert reader.users(commit, "m/main.tf") == {"app"}


def test_hostile_files_cost_little_and_hide_nothing_of_others(reader: Reader) -> None:
    huge = 'module "m" {\n  source = "../huge"\n}\n' + "#" * 10_000_000
    many = "".join(f'source = "./d{number}"\n' for number in range(50_000))
    commit = reader.rig.repository.commit({
        "huge/main.tf": huge,
        "many/main.tf": many,
        "quotes/main.tf": 'source = "' + "../" * 100_000,
        "bytes/main.tf": "\udcff\x00" if os.name == "nt" else "source = \"../m\x00\"\n",
        "app/main.tf": calls("../m"),
        **{f"c{number}/main.tf": calls(f"../c{(number + 1) % 300}") for number in range(300)},
    })  # fmt: skip
    found = reader.of(commit)
    assert found["app"] == {"m"}
    assert "huge" not in found
    assert len(found["many"]) == 1000
    assert len(reader.users(commit, "c7/main.tf")) == 300


def test_a_commit_costs_one_call_of_git_and_what_is_new_two_more(reader: Reader) -> None:
    first = reader.rig.repository.commit(
        {f"envs/e{number}/main.tf": calls("../../modules/net", f"./x{number}") for number in range(2000)}
    )
    reader.checkout.directories(reader.rig.repository.remote, first)
    reader.asked()
    assert len(reader.of(first)) == 2000
    assert reader.asked() == ["ls-tree", "cat-file", "cat-file"]
    assert len(reader.of(first)) == 2000
    assert reader.asked() == ["ls-tree"]
    second = reader.rig.repository.commit({"modules/net/main.tf": calls("../base")})
    assert len(reader.users(second, "modules/base/main.tf")) == 2001
    assert [each for each in reader.asked() if each in ("ls-tree", "cat-file")] == [
        "ls-tree",
        "cat-file",
        "cat-file",
    ]


@pytest.mark.parametrize("broken", [b"", b"[1]", b"{", b"\xff"])
def test_a_broken_cache_is_read_again(reader: Reader, broken: bytes) -> None:
    commit = reader.rig.repository.commit({"app/main.tf": calls("../m")})
    assert reader.of(commit) == {"app": {"m"}}
    reader.checkout.beside(reader.rig.repository.remote, "calls.json").write_bytes(broken)
    assert reader.of(commit) == {"app": {"m"}}


def test_a_commit_that_is_nowhere_is_an_error(reader: Reader) -> None:
    reader.rig.repository.commit({"app/main.tf": ""})
    with pytest.raises(EngineError, match="was not found"):
        reader.of("a" * 40)


def test_what_terraform_itself_finds_is_found(reader: Reader, tmp_path: Path) -> None:
    files = {
        "envs/prod/main.tf": calls("../../modules/net", "./parts") + '# source = "../not/called"\n',
        "envs/prod/more.tf.json": '{"module": {"j": {"source": "../../modules/json"}}}',
        "envs/prod/parts/main.tf": 'module "deep" {\n  count = 0\n  source = "../../../modules/base"\n}\n',
        "modules/net/main.tf": 'module "b" { source = "../base" }\n' + calls("../net/../zone"),
        "modules/base/main.tf": "",
        "modules/zone/main.tf": "",
        "modules/json/main.tf": "",
    }
    commit = reader.rig.repository.commit(files)
    tree = tmp_path / "tree"
    shutil.copytree(reader.rig.repository.root, tree, ignore=shutil.ignore_patterns(".git"))
    here = tree / "envs/prod"
    subprocess.run([sys.executable, "-c", TERRAFORM, "get"], cwd=here, check=True, capture_output=True)
    modules = json.loads((here / ".terraform/modules/modules.json").read_bytes())["Modules"]
    places = {posixpath.normpath(posixpath.join("envs/prod", each["Dir"])) for each in modules if each["Key"]}
    assert len(places) == 5
    for place in places:
        assert "envs/prod" in reader.users(commit, f"{place}/any.file"), place
