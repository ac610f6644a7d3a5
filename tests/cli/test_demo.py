"""`plangate demo`: which folders and ports it takes, before anything is started; who is there."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.demo.show import PORT, show
from bot.demo.stage import Stage, free_port
from bot.domain.errors import ConfigError


def test_a_folder_with_files_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/one.txt").write_text("years of work")
    with pytest.raises(
        ConfigError, match="has files that are not from a demo: choose a new folder with --data"
    ):
        show(tmp_path / "thesis", once=True, port=free_port())
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "one.txt"]


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(ConfigError, match=r"can't be used: .*; choose a folder with --data"):
            show(tmp_path / place, once=True, port=free_port())


def test_two_demos_in_one_folder_are_one_too_many(tmp_path: Path) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another demo runs in"):
            show(tmp_path / "demo", once=True, port=free_port())


def test_a_port_in_use_is_told_before_anything_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "demo.lock").touch()
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "kept").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for first in (port, port - 1):
            with pytest.raises(ConfigError, match=rf"ports? .*\b{port} .* in use, .*--port"):
                show(tmp_path / "demo", once=True, port=first)
    assert (tmp_path / "demo" / "kept").exists()


def test_the_ports_are_the_same_each_time_unless_others_are_asked_for(tmp_path: Path) -> None:
    assert f"[default: {PORT};" in CliRunner().invoke(cli, ["demo", "--help"]).output.replace("\n", " ")
    stage = Stage(tmp_path, "", ports=(8100, 8101), redis_url="redis://127.0.0.1:1")
    assert (stage.url, stage.forge_url) == ("http://127.0.0.1:8100", "http://127.0.0.1:8101")


def test_the_first_person_to_sign_in_as_is_a_developer(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "", redis_url="redis://127.0.0.1:1")
    try:
        stage.start_forge()
        for login in ("ana", "ben"):
            stage.admin("POST", "/users", {"login": login})
        asked = {"client_id": stage.client_id, "redirect_uri": f"{stage.url}/sign-in/github/callback"}
        page = httpx.get(f"{stage.forge_url}/login/oauth/authorize", params=asked).text
    finally:
        stage.stop()
    assert page.index("I am ana") < page.index("I am ben") < page.index("I am plangate")
