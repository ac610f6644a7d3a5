from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.repository import configuration

OWN = 'terraform {\n  required_version = ">= 1"\n  backend "s3" {\n    bucket = "b"\n  }\n}\n'


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("main.tf", OWN, "s3"),
        ("main.tf", "terraform {\n  cloud {}\n}\n", "cloud"),
        ("main.tf", 'terraform { backend "gcs" {} }', "gcs"),
        ("main.tf", 'terraform {\n  backend "local" {}\n}\n', ""),
        (
            "main.tf",
            'terraform {\n  # backend "s3" {}\n  // backend "s3" {}\n /* backend "s3" {} */\n}\n',
            "",
        ),
        ("main.tf", '# terraform {\nlocals {\n  backend "s3" {\n  }\n}\n', ""),
        ("main.tf", 'locals {\n  x = <<-EOT\n  terraform {\n    backend "s3" {\n    EOT\n}\n' + OWN, "s3"),
        ("main.tf", 'locals {\n  x = <<EOT\nterraform {\n  backend "s3" {\n}\n}\nEOT\n}\n', ""),
        ("main.tf", 'locals {\n  x = "terraform { backend s3 {"\n}\n', ""),
        ("main.tf", 'locals {\n  x = "${join("}", ["{", "\\"{"])} $${"\n}\n' + OWN, "s3"),
        ("main.tf", "terraform {\n  backend = { a = 1 }\n}\n", ""),
        ("main.tf", 'terraform {\n  x {\n    backend "s3" {}\n  }\n}\n', ""),
        ("main.tf", "\ufeff" + OWN, "s3"),
        ("main.tf", "locals {\n  x = <<EOT\n${<<EOT\n}\nEOT\n}\nEOT\n}\n" + OWN, "s3"),
        ("main.tf", 'locals {\n  x = <<EOT\n${"\n"}\nEOT\n}\n' + OWN, "s3"),
        ("main.tf", 'locals {\n  x = "${ 1 /* " } */ }"\n}\n' + OWN, "s3"),
        ("main.tf.json", '{"terraform": {"backend": {"s3": {}}}, "terraform": {}}', "s3"),
        ("main.tf.json", '[{"terraform": {"backend": {"s3": {}}}}]', "s3"),
        ("main.tf.json", '{"terraform": {"backend": {"azurerm": {}}}}', "azurerm"),
        ("main.tf.json", '{"terraform": [{"//": "x"}, {"cloud": [{}]}]}', "cloud"),
        ("main.tf.json", '{"locals": {"terraform": {"backend": {"s3": {}}}}}', ""),
        ("main.tf.json", "no json", ""),
        ("main.tofu", OWN, ""),
        ("main.tf.bak", OWN, ""),
        (".hidden.tf", OWN, ""),
        ("modules/a/main.tf", OWN, ""),
    ],
)
def test_a_backend_of_its_own_is_found_where_terraform_would_find_it(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert configuration.own_backend(tmp_path, EngineKind.TERRAFORM, tmp_path) == expected


def test_opentofus_own_files_count_for_opentofu(tmp_path: Path) -> None:
    (tmp_path / "main.tofu").write_text(OWN)
    assert configuration.own_backend(tmp_path, EngineKind.TOFU, tmp_path) == "s3"


def test_a_link_to_another_file_of_the_commit_is_read(tmp_path: Path) -> None:
    for name in ("shared", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "shared" / "backend.tf").write_text(OWN)
    (tmp_path / "here" / "backend.tf").symlink_to("../shared/backend.tf")
    assert configuration.own_backend(tmp_path / "here", EngineKind.TERRAFORM, tmp_path) == "s3"


@pytest.mark.parametrize("target", ["/dev/zero", "/etc/hostname", "nowhere", "main.tf", "../elsewhere.tf"])
def test_a_link_that_leads_out_of_the_commit_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere.tf").write_text(OWN)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "main.tf").symlink_to(target)
    with pytest.raises(EngineError, match="symbolic link that leads to nothing in this commit"):
        configuration.own_backend(tmp_path / "tree", EngineKind.TERRAFORM, tmp_path / "tree")


def test_a_file_that_is_too_large_to_be_read_hides_no_backend(tmp_path: Path) -> None:
    text = "# " + "x" * 4_000_000 + "\n" + OWN
    (tmp_path / "main.tf").write_text(text)
    with pytest.raises(EngineError, match=r"main\.tf is larger than 4 MB.*split the file"):
        configuration.own_backend(tmp_path, EngineKind.TERRAFORM, tmp_path)


@pytest.mark.parametrize(
    "theirs", ["a.auto.tfvars", "zzzz.auto.tfvars.json", "~~~.auto.tfvars", "é.auto.tfvars"]
)
def test_our_variables_are_loaded_last_and_replace_no_file(tmp_path: Path, theirs: str) -> None:
    for name in (theirs, "zzz_plangate.auto.tfvars", "zzz_plangate_override.tf"):
        (tmp_path / name).touch()
    names = {
        name
        for name, _ in configuration.variable_files(
            tmp_path, (Variable("a", "1"), Variable("b", "2", hcl=True))
        )
    }
    there = {path.name for path in tmp_path.iterdir()}
    assert len(names) == 2
    assert not names & there
    assert all(name.encode() > other.encode() for name in names for other in there if "tfvars" in other)
    assert configuration.override_name(tmp_path) not in there


@pytest.mark.parametrize("name", ["", "a b", "a = 1\nb", "1a"])
def test_a_variable_without_a_proper_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match=r"not a valid variable name|needs a key"):
        list(configuration.variable_files(tmp_path, (Variable(name, "x"),)))


def test_variables_come_after_every_file_of_the_repository_in_the_order_of_bytes(tmp_path: Path) -> None:
    for name in (b"\xf0\x9f\x98\x80.auto.tfvars", b"\xff.auto.tfvars"):
        (tmp_path / os.fsdecode(name)).write_text("")
    (ours,) = (name for name, _ in configuration.variable_files(tmp_path, (Variable("a", "x"),)))
    assert os.fsencode(ours) > b"\xff.auto.tfvars"
