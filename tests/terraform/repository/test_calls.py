"""What a configuration calls: plain local modules and providers. All else is left to `init`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.calls import calls_of


def laid_out(root: Path, files: dict[str, str]) -> RunFolder:
    folder = RunFolder(root, root)
    for name, text in files.items():
        path = folder.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def modules(root: Path, files: dict[str, str], place: str = "") -> list[tuple[str, str, str]] | None:
    folder = laid_out(root, files)
    found = calls_of(folder, folder.tree / place)
    return [(each.key, each.source, each.directory) for each in found.modules] if found else None


def test_local_modules_are_found_by_their_calls(tmp_path: Path) -> None:
    files = {
        "env/a.tf": """
            # module "comment" { source = "./none" }
            module "one" {
              count   = 2
              source  = "../modules/one/"
              providers = {
                source = "./not/a/source"
              }
            }
            locals { text = <<-END
              module "text" { source = "./none" }
            END
            }
        """,
        "env/b.tf": 'module two { source = "./two" }',
        "modules/one/main.tf": 'module "inner" { source = "./inner" }',
        "modules/one/inner/main.tf": "",
        "env/two/main.tf": "",
        "env/notes.txt": 'module "x" {}',
    }
    assert modules(tmp_path, files, "env") == [
        ("", "", "."),
        ("one", "../modules/one", "../modules/one"),
        ("two", "./two", "two"),
        ("one.inner", "./inner", "../modules/one/inner"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'module "a" { source = "hashicorp/consul/aws" }',
        'module "a" { source = "git::https://example.org/a.git" }',
        'module "a" { source = "./${var.name}" }',
        'module "a" { source = "./missing" }',
        'module "a" { source = "../../outside" }',
        'module "a" { source = "./" }',
        'module "a" { source = ("./a") }',
        'module "a" { }',
        'module "a" "b" { source = "./a" }',
        'module "a" { source = "./a" }\nmodule "a" { source = "./b" }',
        'module "a" {\n  source = "./a"\n',
        'module "a" { source = "./again" }',
        'module "a" { source = "./a" }\nlocals {\n  x = <<EOT\nno end',
        'module "a" { source = "./a" } /* no end',
    ],
)
def test_what_is_not_plain_is_left_to_init(tmp_path: Path, text: str) -> None:
    files = {
        "main.tf": text,
        "a/main.tf": "",
        "b/main.tf": "",
        "again/main.tf": 'module "a" { source = "../again" }',
    }
    assert modules(tmp_path, files) is None


def test_modules_in_json_and_links_are_left_to_init(tmp_path: Path) -> None:
    assert modules(tmp_path / "json", {"main.tf.json": '{"module": {"a": {"source": "./a"}}}'}) is None
    folder = laid_out(tmp_path / "link", {"main.tf": "", "other": ""})
    (folder.tree / "linked.tf").symlink_to("other")
    assert calls_of(folder, folder.tree) is None
    folder = laid_out(tmp_path / "folder", {"main.tf": 'module "a" { source = "./a" }', "b/main.tf": ""})
    (folder.tree / "a").symlink_to("b")
    assert calls_of(folder, folder.tree) is None


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ('resource "terraform_data" "x" {}', False),
        ('data "terraform_remote_state" "x" {}', False),
        ('resource "null_resource" "x" {}', True),
        ('check "a" { data "http" "x" {} }', True),
        ('provider "aws" {}', True),
        ("terraform { required_providers { null = {} } }", True),
        ('output "a" { value = "resource" }', False),
    ],
)
def test_providers_that_are_not_built_in_are_noticed(tmp_path: Path, text: str, foreign: bool) -> None:
    folder = laid_out(tmp_path, {"main.tf": text})
    found = calls_of(folder, folder.tree)
    assert found is not None
    assert found.foreign is foreign


def test_the_name_of_a_provider_is_looked_for_in_every_module(tmp_path: Path) -> None:
    files = {"main.tf": 'module "a" { source = "./a" }', "a/main.tf": 'resource "null_resource" "x" {}'}
    folder = laid_out(tmp_path, files)
    found = calls_of(folder, folder.tree)
    assert found is not None
    assert found.names("registry.terraform.io/hashicorp/null")
    assert not found.names("registry.terraform.io/hashicorp/random")


def test_a_byte_order_mark_hides_no_call(tmp_path: Path) -> None:
    files = {"main.tf": '\ufeffmodule "a" { source = "./a" }', "a/main.tf": ""}
    assert modules(tmp_path, files) == [("", "", "."), ("a", "./a", "a")]
