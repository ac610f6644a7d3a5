from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.terraform.files.runfolder import RunFolder, left_folders


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.of(tmp_path, "run-1")
    folder.create()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return folder


def test_files_are_written_privately_and_read_back(folder: RunFolder) -> None:
    folder.write(folder.tree / "a", b"one")
    folder.write(folder.tree / "a", b"two")
    assert folder.read(folder.tree / "a") == b"two"
    assert stat.S_IMODE((folder.tree / "a").stat().st_mode) == 0o600


@pytest.mark.parametrize("plant", ["link", "linked folder", "fifo", "folder", "nothing"])
def test_what_was_planted_in_place_of_a_file_is_not_read(
    folder: RunFolder, tmp_path: Path, plant: str
) -> None:
    path = folder.tree / "sub" / "secret"
    if plant == "linked folder":
        path.parent.symlink_to(tmp_path / "outside")
    else:
        path.parent.mkdir()
    match plant:
        case "link":
            path.symlink_to(tmp_path / "outside" / "secret")
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            pass
    assert folder.read(path) is None


def test_writing_replaces_a_link_and_does_not_follow_it(folder: RunFolder, tmp_path: Path) -> None:
    (folder.tree / "a").symlink_to(tmp_path / "outside" / "secret")
    folder.write(folder.tree / "a", b"ours")
    assert (tmp_path / "outside" / "secret").read_text() == "secret"
    assert folder.read(folder.tree / "a") == b"ours"


def test_writing_below_a_linked_folder_is_refused(folder: RunFolder, tmp_path: Path) -> None:
    (folder.tree / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(EngineError, match="has changed under us"):
        folder.write(folder.tree / "sub" / "secret", b"ours")
    assert (tmp_path / "outside" / "secret").read_text() == "secret"


def test_only_folders_of_runs_that_were_made_before_count_as_left(tmp_path: Path) -> None:
    for name in ("run-old", "run-new", "not a run"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "run-link").symlink_to(tmp_path)
    for name in ("run-old", "not a run"):
        os.utime(tmp_path / "runs" / name, (1000, 1000))
    assert left_folders(tmp_path, 2000) == ("run-old",)
    assert left_folders(tmp_path / "nowhere", 2000) == ()
