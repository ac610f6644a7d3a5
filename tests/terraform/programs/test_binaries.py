from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.errors import EngineError, Invalid
from bot.domain.workspaces.versions import Constraint, Version
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.programs.binaries import Binaries


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
def test_constraints_mean_what_they_mean_to_terraform(constraint: str, version: str, allowed: bool) -> None:
    assert Constraint.parse(constraint).allows(Version.parse(version)) is allowed


@pytest.mark.parametrize(
    "text",
    [
        "one",
        "~> ",
        ">= 1.5 < 2",
        "1.2.3.4",
        ",",
        "=> 1",
        "1.9,",
        ",1.9",
        "= = 1",
        "1.9.x",
        "vv1",
        "v",
        "1.9\n1.9",
    ],
)
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Constraint.parse(text)


def test_a_constraint_that_is_not_valid_is_the_engines_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'latest' is not a version constraint"):
        Binaries(tmp_path, use_path=False).find(EngineKind.TERRAFORM, "latest")


@pytest.mark.parametrize(
    "text", ["9" * 10_000, "1." + "9" * 5000, "1.9-" + "9" * 5000, "1," * 5000 + "1", "\u0661.9"]
)
def test_numbers_of_any_length_are_refused_and_do_not_crash(text: str) -> None:
    with pytest.raises(Invalid):
        Constraint.parse(text)


def put(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
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
def test_a_folder_gives_its_newest_that_will_do(folder: Path, constraint: str, found: str) -> None:
    assert Binaries(folder, bundled=False).find(EngineKind.TERRAFORM, constraint).version == found


def test_the_folder_comes_before_path_and_path_before_the_bundled_one(folder: Path, tmp_path: Path) -> None:
    put(tmp_path / "bin" / "terraform", "1.11.4")
    binaries = Binaries(folder, use_path=True, path=str(tmp_path / "bin"))
    origins = [program.origin for program in binaries.every(EngineKind.TERRAFORM)]
    assert origins == [f"in {folder}"] * 3 + ["on PATH", "bundled"]
    assert binaries.find(EngineKind.TERRAFORM, ">= 1.11, < 1.12").origin == "on PATH"
    assert binaries.find(EngineKind.TERRAFORM, ">= 1.15").path is None


def test_opentofu_is_never_bundled(folder: Path) -> None:
    assert Binaries(folder).find(EngineKind.TOFU).version == "1.7.0"
    with pytest.raises(EngineError, match=r"^OpenTofu is not on this worker: there is none\. Ask for"):
        Binaries().find(EngineKind.TOFU)


def test_a_refusal_says_which_there_are_and_where_to_put_another(folder: Path) -> None:
    with pytest.raises(EngineError) as failed:
        Binaries(folder, bundled=False).find(EngineKind.TERRAFORM, "~> 0.12")
    assert str(failed.value) == (
        f"Terraform ~> 0.12 is not on this worker: there is 1.10.2 (in {folder}), 1.9.5 (in {folder}), "
        f"1.8.0 (in {folder}). Put another at {folder}/<version>/terraform"
    )


def test_a_binary_that_changes_is_asked_again(tmp_path: Path) -> None:
    binary = put(tmp_path / "terraform", "1.8.0")
    binaries = Binaries(tmp_path, bundled=False)
    assert binaries.find(EngineKind.TERRAFORM).version == "1.8.0"
    put(binary, "1.9.0")
    assert binaries.find(EngineKind.TERRAFORM).version == "1.9.0"


def test_a_binary_that_gives_no_version_does_not_count(tmp_path: Path) -> None:
    put(tmp_path / "terraform", "nonsense")
    with pytest.raises(EngineError, match="is not on this worker"):
        Binaries(tmp_path, bundled=False).find(EngineKind.TERRAFORM)


@pytest.mark.parametrize("killed", [1, 2])
def test_a_program_that_was_killed_when_it_was_asked_for_its_version_is_asked_again(
    tmp_path: Path, killed: int
) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "terraform"
    program.write_text(
        f"#!/bin/sh\necho >> {asked}\n[ $(wc -l < {asked}) -le {killed} ] && kill -KILL $$\n"
        'echo \'{"terraform_version": "1.9.5"}\'\n'
    )
    program.chmod(0o755)
    binaries = Binaries(tmp_path, use_path=False, bundled=False)
    if killed == 2:  # more than one call tries: the next one has another chance
        with pytest.raises(EngineError, match="is not on this worker"):
            binaries.find(EngineKind.TERRAFORM)
    assert binaries.find(EngineKind.TERRAFORM).version == "1.9.5"
    assert binaries.find(EngineKind.TERRAFORM).version == "1.9.5"
    assert len(asked.read_text().splitlines()) == killed + 1
