"""`plangate demo`: which folders it takes, before anything is started."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from bot.demo.show import show
from bot.domain.errors import ConfigError


def test_a_folder_with_files_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/one.txt").write_text("years of work")
    with pytest.raises(
        ConfigError, match="has files that are not from a demo: choose a new folder with --data"
    ):
        show(tmp_path / "thesis", once=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "one.txt"]


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(ConfigError, match=r"can't be used: .*; choose a folder with --data"):
            show(tmp_path / place, once=True)


def test_two_demos_in_one_folder_are_one_too_many(tmp_path: Path) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another demo runs in"):
            show(tmp_path / "demo", once=True)
