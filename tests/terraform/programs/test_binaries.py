from __future__ import annotations

import pytest

from bot.domain.errors import EngineError
from bot.domain.workspace import EngineKind
from bot.terraform.binaries import Binaries
from bot.terraform.versions import Constraint, Version


@pytest.mark.parametrize(
    ("constraint", "version", "allowed"),
    [
        ("", "1.9.5", True),
        ("", "1.10.0-beta1", False),
        ("1.9.5", "1.9.5", True),
        ("= 1.9.5", "1.9.6", False),
        ("v1.9.5", "1.9.5", True),
        ("1.9", "1.9.0", True),
        ("~> 1.9", "1.10.0", True),
        ("~> 1.9", "2.0.0", False),
        ("~> 1.9", "1.8.9", False),
        ("~> 1.9.3", "1.9.10", True),
        ("~> 1.9.3", "1.10.0", False),
        ("~> 1.9.3", "1.9.2", False),
        (">= 1.5, < 2.0", "1.15.5", True),
        (">= 1.5, < 2.0", "2.0.0", False),
        (">1.5,<=1.6", "1.6.0", True),
        (">1.5,<=1.6", "1.5.0", False),
        ("!= 1.6.0", "1.6.0", False),
        ("!= 1.6.0", "1.6.1", True),
        ("1.10.0-beta1", "1.10.0-beta1", True),
        (">= 1.9", "1.10.0-beta1", False),
    ],
)
def test_constraints_mean_what_they_mean_to_terraform(constraint, version, allowed):
    assert Constraint.parse(constraint).allows(Version.parse(version)) is allowed


@pytest.mark.parametrize("text", ["one", "~> ", ">= 1.5 < 2", "1.2.3.4", ",", "=> 1"])
def test_what_is_no_constraint_is_refused(text):
    with pytest.raises(EngineError):
        Constraint.parse(text)


def put(path, version):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "binaries"
    put(folder / "1.9.5" / "terraform", "1.9.5")
    put(folder / "terraform_1.10.2", "1.10.2")
    put(folder / "terraform", "1.8.0")
    put(folder / "1.7.0" / "tofu", "1.7.0")
    (folder / "notes.txt").write_text("")
    return folder


@pytest.mark.parametrize(
    ("constraint", "found"),
    [
        ("", "1.10.2"),
        ("1.9.5", "1.9.5"),
        ("~> 1.8.0", "1.8.0"),
        ("< 1.10", "1.9.5"),
    ],
)
def test_a_folder_gives_its_newest_that_will_do(folder, constraint, found):
    assert Binaries(folder, bundled=False).find(EngineKind.TERRAFORM, constraint).version == found


def test_the_folder_comes_before_path_and_path_before_the_bundled_one(folder, tmp_path):
    put(tmp_path / "bin" / "terraform", "1.11.4")
    binaries = Binaries(folder, use_path=True, path=str(tmp_path / "bin"))
    origins = [program.origin for program in binaries.every(EngineKind.TERRAFORM)]
    assert origins == [f"in {folder}"] * 3 + ["on PATH", "bundled"]
    assert binaries.find(EngineKind.TERRAFORM, ">= 1.11, < 1.12").origin == "on PATH"
    assert binaries.find(EngineKind.TERRAFORM, ">= 1.15").path is None


def test_opentofu_is_never_bundled(folder):
    assert Binaries(folder).find(EngineKind.TOFU).version == "1.7.0"
    with pytest.raises(EngineError, match=r"^OpenTofu is not on this worker: there is none\. Ask for"):
        Binaries().find(EngineKind.TOFU)


def test_a_refusal_says_which_there_are_and_where_to_put_another(folder):
    with pytest.raises(EngineError) as failed:
        Binaries(folder, bundled=False).find(EngineKind.TERRAFORM, "~> 0.12")
    assert str(failed.value) == (
        f"Terraform ~> 0.12 is not on this worker: there is 1.10.2 (in {folder}), 1.9.5 (in {folder}), "
        f"1.8.0 (in {folder}). Put another at {folder}/<version>/terraform"
    )


def test_a_binary_that_changes_is_asked_again(tmp_path):
    binary = put(tmp_path / "terraform", "1.8.0")
    binaries = Binaries(tmp_path, bundled=False)
    assert binaries.find(EngineKind.TERRAFORM).version == "1.8.0"
    put(binary, "1.9.0")
    assert binaries.find(EngineKind.TERRAFORM).version == "1.9.0"


def test_a_binary_that_gives_no_version_does_not_count(tmp_path):
    put(tmp_path / "terraform", "nonsense")
    with pytest.raises(EngineError, match="there is none"):
        Binaries(tmp_path, bundled=False).find(EngineKind.TERRAFORM)
