"""What a configuration can read: its own files, those that it points at, and modules from elsewhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.reach import modules_hash, reach


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder.of(tmp_path, "run-1")
    found.create()
    return found


def read(folder: RunFolder, files: dict[str, str], mode: str = "100644", values: tuple[str, ...] = ()) -> str:
    """Lay files out and say what the configuration in `here` can read of them."""
    listing = b""
    for name, text in files.items():
        path = folder.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        blob = hashlib.sha1(text.encode()).hexdigest()
        listing += f"{mode if name.startswith('here') else '100644'} blob {blob}\t{name}\0".encode()
    return reach(listing, folder, folder.tree / "here", values).hash


@pytest.mark.parametrize(
    ("text", "mode", "far"),
    [
        ("", "100644", False),
        ("x = [local.a...] # and so on... 1.2.3", "100755", False),
        ('file("../x")', "100644", True),
        ('file("..")', "100644", True),
        ('file("${path.cwd}/x")', "100644", True),
        ("dirname(path.root)", "100644", True),
        ("abspath(path.module)", "100644", True),
        ("# \N{BULLET}" * 2_000_000, "100644", True),
        ("elsewhere", "120000", True),
        ('x = file("x") + file( "${path.module}/x" ) + templatefile("${path.root}/t", {})', "100644", False),
        ('filename = "x"', "100644", False),
        ('file("/run/plangate/tree/there/b")', "100644", True),
        ('file(".${"."}/there/b")', "100644", True),
        ('file(join("", [".", ".", "/there/b"]))', "100644", True),
        ('file/**/("${local.up}/b")', "100644", True),
        ('fileset("${local.up}", "*")', "100644", True),
        ('provisioner "local-exec" {}', "100644", True),
        ("data external x {}", "100644", True),
        ('{"data": {"\\u0065xternal": {}}}', "100644", True),
        ("provider::any::thing(1)", "100644", True),
        ("templatestring(local.text, {})", "100644", True),
        ('fileset("lib", "**/*.yaml")', "100644", False),
        ('fileset(path.module, "*.yaml")', "100644", True),
        ('fileset("${path.module}/lib", "*.yaml")', "100644", False),
        ('fileset(".", "*.yaml")', "100644", True),
        ('fileset("lib", "{.,}./{.,}./there/*")', "100644", True),
        ('fileset("lib", "[.][.]/there/*")', "100644", True),
        ('fileset("lib", local.pattern)', "100644", True),
        ('fileset("lib", "${local.pattern}/*")', "100644", True),
        ('data "local_file" "x" { filename = var.x }', "100644", True),
        ('resource "local_sensitive_file" "x" { source = var.x }', "100644", True),
        ('data "archive_file" "x" { source_dir = var.x }', "100644", True),
        ('resource "template_dir" "x" { source_dir = var.x }', "100644", True),
        ('data "template_file" "x" { template = var.x }', "100644", True),
        ('source = "/run/plangate/tree/there/b"', "100644", True),
        ('source = "/run/${local.plangate}/tree/there/b"', "100644", True),
        ('source = "/proc/self/cwd/there/b"', "100644", True),
        ('source = "${path.module}./there/b"', "100644", True),
        ('source = "${local.here}."', "100644", True),
        ('source = ".${local.here}/there/b"', "100644", True),
        ('source = "lib/.${local.dot}/there/b"', "100644", True),
        ('source = "lib/.%{ if true }./there/b%{ endif }"', "100644", True),
        ('source = format("lib/.%s", "./there/b")', "100644", True),
        ('source = join("", [".", "./there/b"])', "100644", True),
        ('source = join("", [path.module, "./there/b"])', "100644", True),
        ('source = base64decode("Li4vdGhlcmUvYg==")', "100644", True),
        ('source = urldecode("%2e%2e/there/b")', "100644", True),
        ('source = substr("a.b", 1, 1)', "100644", True),
        ('source = "\\u002e./there/b"', "100644", True),
        ('source = "${path.module}/lib/b"', "100644", False),
        ('source = "lib/a.b" # and 10.0.0.0/8, see /docs', "100644", False),
        ('name = "*.${local.zone}"', "100644", False),
        ('name = "${local.name}.example.com"', "100644", False),
    ],
)
def test_a_file_elsewhere_counts_where_something_leads_there(
    folder: RunFolder, text: str, mode: str, far: bool
) -> None:
    one, two = (read(folder, {"here/a.tf": text, "there/b": each}, mode) for each in ("1", "2"))
    assert (one != two) is far


@pytest.mark.parametrize(
    ("value", "far"),
    [
        ("eu-west-1", False),
        ("10.0.0.0/8", False),
        ("https://example.com/a", False),
        ("example.com.", False),
        ('{ a = "b", c = ["d/e"] }', False),
        ('{"a": [1.5, "b"]}', False),
        ("lib/b.yaml", False),
        ("../there/b", True),
        ("..", True),
        (".", True),
        ("./there", True),
        ("lib/.", True),
        ("/run/plangate/tree/there/b", True),
        ("/etc/x", True),
        ("~/x", True),
        ("file:///run/x", True),
        ('["/run/x"]', True),
        ('{ path = "/run/x" }', True),
        ("{.,}./there/*", True),
        ("[.][.]/there", True),
        ("**/*.yaml", True),
        ("there/?", True),
    ],
)
def test_a_variable_with_a_path_or_a_pattern_may_lead_to_any_file(
    folder: RunFolder, value: str, far: bool
) -> None:
    one, two = (
        read(folder, {"here/a.tf": "", "there/b": each}, values=("plain", value)) for each in ("1", "2")
    )
    assert (one != two) is far


@pytest.mark.parametrize(
    ("name", "text", "far"),
    [
        ("a.json", '{"path": "/run/plangate/tree/there/b"}', True),
        ("a.json", '{"path": "\\u002e./there/b"}', True),
        ("a.yaml", 'path: "\\x2e./there/b"', True),
        ("a.json", '{"path": "lib/b"}', False),
        ("terraform.tfvars", 'path = "/proc/self/cwd/there/b"', True),
        ("terraform.tfvars", 'path = "."', True),
        ("a.auto.tfvars", 'pattern = "{.,}./there/*"', True),
        ("a.auto.tfvars", 'path = "lib"', False),
    ],
)
def test_files_with_values_are_held_to_the_same(folder: RunFolder, name: str, text: str, far: bool) -> None:
    one, two = (read(folder, {f"here/{name}": text, "there/b": each}) for each in ("1", "2"))
    assert (one != two) is far


def test_downloaded_modules_have_a_hash_of_their_own(folder: RunFolder) -> None:
    def modules() -> str:
        return reach(b"", folder, folder.tree / "here").modules

    (folder.tree / "here").mkdir()
    assert modules() == ""
    place = folder.tree / "here" / ".terraform" / "modules"
    (place / "far").mkdir(parents=True)
    (place / "modules.json").write_text('{"Modules": []}')
    assert modules() == ""
    (place / "far" / "main.tf").write_text("1")
    first = modules()
    (place / "far" / "modules.json").write_text("{}")
    second = modules()
    (place / "far" / "main.tf").write_text("2")
    third = modules()
    (place / "far" / "lib").symlink_to("..")
    assert len({"", first, second, third, modules()}) == 5
    assert modules_hash(folder, folder.tree / "here") == modules()


@pytest.mark.parametrize(
    ("text", "far"),
    [
        ("${file(x)}", True),
        ("${templatestring(x, {})}", True),
        ("${x}./there", True),
        ("%{ if file(x) == 1 }", True),
        ("a file", False),
    ],
)
def test_a_template_may_read_files_as_well(folder: RunFolder, text: str, far: bool) -> None:
    one, two = (read(folder, {"here/a.tftpl": text, "there/b": each}) for each in ("1", "2"))
    assert (one != two) is far


def test_the_names_of_files_count_as_their_contents_do(folder: RunFolder) -> None:
    assert read(folder, {"here/a": "x"}) != read(folder, {"here/b": "x"})


def test_a_module_that_is_fetched_from_elsewhere_counts_with_its_content(folder: RunFolder) -> None:
    modules = folder.tree / "here" / ".terraform" / "modules"
    for name in ("far/.git/HEAD", "far/main.tf"):
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).write_text("1")
    known = {
        "Modules": [{"Key": "far", "Source": "git::https://example.org/far", "Dir": ".terraform/modules/far"}]
    }
    (modules / "modules.json").write_text(json.dumps(known))
    first = read(folder, {"here/a": "x"})
    (modules / "far/.git/HEAD").write_text("another clone of the same")
    assert read(folder, {"here/a": "x"}) == first
    (modules / "far/main.tf").write_text("2")
    moved = read(folder, {"here/a": "x"})
    assert moved != first
    (modules / "far/link").symlink_to("main.tf")
    assert read(folder, {"here/a": "x"}) not in (first, moved)
    assert read(folder, {"here/a": "x", "there/b": "1"}) != read(folder, {"here/a": "x", "there/b": "2"})


@pytest.mark.parametrize(
    ("name", "text", "far"),
    [
        ("far/main.tf", "x = 1", False),
        ("far/main.tf", 'file("/run/plangate/tree/there/b")', True),
        ("far/main.tf", 'provisioner "local-exec" {}', True),
        ("far/examples/main.tf", 'provisioner "local-exec" {}', False),
        ("far/text.tftpl", "${file(x)}", True),
    ],
)
def test_a_module_that_is_fetched_may_lead_to_any_file_too(
    folder: RunFolder, name: str, text: str, far: bool
) -> None:
    path = folder.tree / "here" / ".terraform" / "modules" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    known = {"Modules": [{"Key": "far", "Source": "acme/far/any", "Dir": ".terraform/modules/far"}]}
    (folder.tree / "here" / ".terraform" / "modules" / "modules.json").write_text(json.dumps(known))
    one, two = (read(folder, {"here/a.tf": "", "there/b": each}) for each in ("1", "2"))
    assert (one != two) is far


@pytest.mark.parametrize(
    ("name", "text", "far"),
    [
        ("a.tf", "", False),
        ("a.tf", 'module "n" {\n  source = "../lib"\n}\n', False),
        ("a.tf.json", '{"module": {"n": {"source": "../lib"}}}', False),
        ("a.tf", 'resource "x" "y" {\n  source = "${"../lib"}2/b"\n}\n', True),
        ("a.tf", 'resource "x" "y" {\n  source = format("%s2/b", "../lib")\n}\n', True),
        ("a.tf", 'module "n" {\n  source = "../lib"\n  x = { source = "../lib" }\n}\n', True),
        ("a.tf.json", '{"module": {"n": {"source": "../lib", "x": {"source": "../lib"}}}}', True),
        ("terraform.tfvars", 'x = "../lib"', True),
        ("a.yaml", 'x: "../lib"', True),
    ],
)
def test_a_local_modules_source_is_no_path_elsewhere_but_the_same_text_may_be(
    folder: RunFolder, name: str, text: str, far: bool
) -> None:
    place = folder.tree / "here" / ".terraform" / "modules"
    place.mkdir(parents=True)
    known = {"Modules": [{"Key": "m", "Source": "../lib", "Dir": "../lib"}]}
    (place / "modules.json").write_text(json.dumps(known))
    files = {"here/m.tf": 'module "m" {\n  source = "../lib"\n}\n', f"here/{name}": text, "lib/main.tf": ""}
    one, two = (read(folder, {**files, "lib2/b": each}) for each in ("1", "2"))
    assert (one != two) is far
