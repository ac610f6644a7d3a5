"""What `terraform.workspace` is in an uploaded configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.workspace_name import named, write_name

SAME = (
    "",
    'a = "terraform.workspace"',
    "# terraform.workspace",
    "/* terraform.workspace */ a = 1",
    "a = <<EOT\nterraform.workspace\n  EOT\n",
    'a = "$${terraform.workspace}"',
    "a = local.terraform.workspace",
    "a = terraform.workspaces",
    "a = terraform.workspace-name",
    "a = my_terraform.workspace",
    "terraform {\n  workspace = 1\n}",
    'a = "${"',
    'a = "terraform.workspace',
)


@pytest.mark.parametrize("text", SAME)
def test_other_things_stay_as_they_are(text: str) -> None:
    assert named(text, "net") == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = terraform.workspace", 'a = "net"'),
        ('a = terraform . workspace == "x" ? 1 : 0', 'a = "net" == "x" ? 1 : 0'),
        (
            'a = "x-${terraform.workspace}" # terraform.workspace',
            'a = "x-${"net"}" # terraform.workspace',
        ),
        ('a = "${lower("${terraform.workspace}")}"', 'a = "${lower("${"net"}")}"'),
        (
            'a = <<-EOT\n  %{ if terraform.workspace == "x" }a%{ endif }\n  EOT\nb = terraform.workspace\n',
            'a = <<-EOT\n  %{ if "net" == "x" }a%{ endif }\n  EOT\nb = "net"\n',
        ),
        ("a = { (terraform.workspace) = [terraform.workspace] }", 'a = { ("net") = ["net"] }'),
        (
            "b {\n  a = { b = 1 }\n  c = terraform.workspace\n}\n",
            'b {\n  a = { b = 1 }\n  c = "net"\n}\n',
        ),
    ],
)
def test_the_name_is_in_the_place_of_the_expression(text: str, expected: str) -> None:
    assert named(text, "net") == expected


def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder.of(tmp_path, "run-1")
    found.create()
    return found


REMOTE = 'terraform {\n  backend "remote" {\n    workspaces {\n      prefix = "site-"\n    }\n  }\n}\n'
REMOTE_JSON = {"terraform": {"backend": {"remote": {"workspaces": [{"prefix": "site-"}]}}}}


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "site-test"),
        ({"backend.tf": REMOTE}, "test"),
        ({"backend.tf": REMOTE.replace("prefix = ", "name = ")}, "site-test"),
        ({"backend.tf.json": json.dumps(REMOTE_JSON)}, "test"),
        ({"backend.tf": "terraform {", "other.tf.json": "["}, "site-test"),
    ],
)
def test_a_prefix_of_the_remote_backend_is_left_out(tmp_path: Path, files: dict[str, str], name: str) -> None:
    run = folder(tmp_path)
    (run.tree / "modules" / "one").mkdir(parents=True)
    for each in ("main.tf", "modules/one/main.tf"):
        (run.tree / each).write_text("a = terraform.workspace\n")
    plain = {"locals": {"a": "x-${terraform.workspace}", "b": "terraform.workspace", "n": 1.50}}
    (run.tree / "more.tf.json").write_text(json.dumps(plain))
    (run.tree / "notes.md").write_text("terraform.workspace")
    for each, text in files.items():
        (run.tree / each).write_text(text)
    write_name(run, run.tree, "site-test")
    for each in ("main.tf", "modules/one/main.tf"):
        assert (run.tree / each).read_text() == f'a = "{name}"\n'
    written = json.loads((run.tree / "more.tf.json").read_text())["locals"]
    assert written == {"a": f'x-${{"{name}"}}', "b": "terraform.workspace", "n": 1.50}
    assert (run.tree / "notes.md").read_text() == "terraform.workspace"


def test_nothing_is_read_or_written_through_a_link(tmp_path: Path) -> None:
    run = folder(tmp_path)
    outside = tmp_path / "outside.tf"
    outside.write_text("a = terraform.workspace\n")
    (run.tree / "main.tf").symlink_to(outside)
    (run.tree / "folder.tf").mkdir()
    (run.tree / "other").symlink_to(tmp_path)
    os.mkfifo(run.tree / "pipe.tf")
    write_name(run, run.tree, "net")
    assert outside.read_text() == "a = terraform.workspace\n"
    assert (run.tree / "main.tf").is_symlink()
