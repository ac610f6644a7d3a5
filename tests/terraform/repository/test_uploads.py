"""Uploaded archives: what they hold is laid out, and hostile ones leave nothing outside of the folder."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.terraform.repository import uploads
from bot.terraform.repository.uploads import unpack

Fill = Callable[[tarfile.TarFile], None]


def packed(fill: Fill) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        fill(archive)
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, mode
    return found


def add(archive: tarfile.TarFile, name: str, data: bytes = b"x", mode: int = 0o644) -> None:
    about = member(name, mode=mode)
    about.size = len(data)
    archive.addfile(about, io.BytesIO(data))


def several(archive: tarfile.TarFile, *names: str) -> None:
    for name in names:
        add(archive, name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "outer" / "tree"
    made.mkdir(parents=True)
    return made


def test_files_folders_links_and_modes_are_laid_out_and_listed_as_git_does(tree: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        archive.addfile(member("./", tarfile.DIRTYPE, mode=0o755))
        add(archive, "main.tf", b"hello\n")
        add(archive, "bin/run.sh", b"#!/bin/sh\n", 0o755)
        archive.addfile(member("modules/link", tarfile.SYMTYPE, "../main.tf"))

    listing = unpack(packed(fill), tree)
    assert (tree / "main.tf").read_bytes() == b"hello\n"
    assert os.access(tree / "bin/run.sh", os.X_OK)
    assert (tree / "modules/link").resolve() == (tree / "main.tf").resolve()
    lines = listing.decode().split("\0")
    assert [line.partition("\t")[2] for line in lines] == ["bin/run.sh", "main.tf", "modules/link", ""]
    # What `git hash-object` says of it.
    assert lines[1] == "100644 blob ce013625030ba8dba906f756967f9e9ca394464a\tmain.tf"


HOSTILE: dict[str, Fill] = {
    "a path upwards": lambda archive: add(archive, "../../escaped"),
    "a path upwards inside": lambda archive: add(archive, "a/../../escaped"),
    "an absolute path": lambda archive: add(archive, "/tmp/escaped"),
    "a link outside": lambda archive: archive.addfile(member("l", tarfile.SYMTYPE, "../..")),
    "an absolute link": lambda archive: archive.addfile(member("l", tarfile.SYMTYPE, "/etc/passwd")),
    "a hard link": lambda archive: archive.addfile(member("l", tarfile.LNKTYPE, "/etc/passwd")),
    "a device": lambda archive: archive.addfile(member("d", tarfile.CHRTYPE)),
    "a pipe": lambda archive: archive.addfile(member("p", tarfile.FIFOTYPE)),
    "a file twice": lambda archive: several(archive, "a", "a"),
    "a file as a folder": lambda archive: several(archive, "a", "a/b"),
    "a long path": lambda archive: add(archive, "a/" * 100 + "b"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_members_are_refused_and_nothing_leaves_the_folder(tree: Path, what: str) -> None:
    with pytest.raises(EngineError):
        unpack(packed(HOSTILE[what]), tree)
    outside = [path for path in tree.parent.parent.rglob("*") if tree not in (path, *path.parents)]
    assert outside == [tree.parent]


def test_a_file_is_never_written_through_a_link_of_the_archive(tree: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        archive.addfile(member("inside", tarfile.SYMTYPE, "."))
        archive.addfile(member("out", tarfile.SYMTYPE, "inside/../.."))
        add(archive, "out/escaped")

    with pytest.raises(EngineError):
        unpack(packed(fill), tree)
    assert not (tree.parent / "escaped").exists()
    assert not (tree.parent.parent / "escaped").exists()


def test_a_header_that_claims_to_be_huge_is_not_read(tree: Path) -> None:
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb") as packing:
        header = member("pax", tarfile.XHDTYPE)
        header.size = 50 * 1024 * 1024
        packing.write(header.tobuf())
        packing.write(bytes(header.size))
    with pytest.raises(EngineError, match="a header that is too long"):
        unpack(made.getvalue(), tree)


def test_links_that_lead_out_only_together_are_refused(tree: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        archive.addfile(member("a", tarfile.SYMTYPE, "b/../.."))
        archive.addfile(member("b", tarfile.SYMTYPE, "."))

    with pytest.raises(EngineError):
        unpack(packed(fill), tree)


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", packed(lambda archive: add(archive, "a", b"x" * 5000))[:-30]],
    ids=["empty", "text", "cut off"],
)
def test_what_is_no_whole_archive_is_refused_in_words(tree: Path, data: bytes) -> None:
    with pytest.raises(EngineError, match="uploaded configuration"):
        unpack(data, tree)


def test_too_many_files_and_bombs_are_refused(tree: Path) -> None:
    with pytest.raises(EngineError, match="too large"):
        unpack(packed(lambda archive: several(archive, "1", "2", "3", "4")), tree, most_files=3)
    bomb = packed(lambda archive: add(archive, "bomb", bytes(uploads.MOST_BYTES // 15)))
    with pytest.raises(EngineError, match="too large"):
        unpack(bomb, tree)
    assert not (tree / "bomb").exists()
