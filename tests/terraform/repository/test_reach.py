"""What a configuration can read: its own files, those that it points at, and modules from elsewhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.reach import reach


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder.of(tmp_path, "run-1")
    found.create()
    return found


def read(folder: RunFolder, files: dict[str, str], mode: str = "100644") -> str:
    """Lay files out and say what the configuration in `here` can read of them."""
    listing = b""
    for name, text in files.items():
        path = folder.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        blob = hashlib.sha1(text.encode()).hexdigest()
        listing += f"{mode if name.startswith('here') else '100644'} blob {blob}\t{name}\0".encode()
    return reach(listing, folder, folder.tree / "here").hash


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
    ],
)
def test_a_file_elsewhere_counts_where_something_leads_there(
    folder: RunFolder, text: str, mode: str, far: bool
) -> None:
    one, two = (read(folder, {"here/a.tf": text, "there/b": each}, mode) for each in ("1", "2"))
    assert (one != two) is far


@pytest.mark.parametrize(
    ("text", "far"), [("${file(x)}", True), ("%{ if file(x) == 1 }", True), ("a file", False)]
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
