"""What a change's code can read: its own run, and nothing else of the machine."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terraform.hostile.conftest import Attack

SECRET = "secret-that-nobody-may-see"


@pytest.fixture
def planted(tmp_path: Path) -> list[Path]:
    """Files that everybody on this machine may read, in the places where an installation has its own."""
    places = ("etc/plangate/plangate.env", "data/plangate.db", "data/runs/run-2/plan.tfplan", "srv/key.pem")
    paths = [tmp_path / place for place in places]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    return paths


READ = """
for path in {paths!r}:
    try:
        say(path, open(path).read())
    except OSError as error:
        say(path, errno.errorcode[error.errno])
"""


def test_settings_keys_and_other_runs_are_not_there(
    inside: Attack, said: Callable[..., str], planted: list[Path]
) -> None:
    text = said(inside, READ.format(paths=[*map(str, planted)]))
    assert SECRET not in text
    assert text.count("ENOENT") == len(planted)


def test_without_a_sandbox_they_can_be_read(
    without: Attack, said: Callable[..., str], planted: list[Path]
) -> None:
    text = said(without, READ.format(paths=[*map(str, planted)]))
    assert text.count(SECRET) == len(planted)


def test_the_file_tree_starts_from_nothing(inside: Attack, said: Callable[..., str]) -> None:
    text = said(
        inside,
        """
        say("root:", *sorted(os.listdir("/")))
        say("run:", *os.listdir("/run"), *sorted(os.listdir("/run/plangate")))
        say("etc:", *sorted(os.listdir("/etc")))
        for place in ("/home", "/opt", "/srv", "/var", "/mnt", "/media", "/boot", "/sys"):
            if os.path.exists(place):
                say("there is", place)
        say(open("/etc/passwd").read(), open("/etc/hosts").read())
        """,
    )
    root = set(text.split("root: ")[1].splitlines()[0].split())
    assert {"usr", "etc", "proc", "dev", "tmp", "run"} <= root
    assert not root & {"home", "opt", "srv", "var", "mnt", "media", "boot", "sys"}
    assert "there is" not in text
    assert "run: plangate home out tree" in text
    etc = set(text.split("etc: ")[1].splitlines()[0].split())
    assert {"passwd", "group", "hosts", "resolv.conf"} <= etc
    assert not etc & {"shadow", "plangate", "ssh", "machine-id", "environment", "gitconfig"}
    assert text.count(":/bin/sh") == 1


def test_nothing_can_be_written_but_in_its_own_folders(inside: Attack, said: Callable[..., str]) -> None:
    text = said(
        inside,
        """
        for place in ("/", "/etc", "/usr", "/usr/lib", "/dev", "/run", "/run/plangate", "/proc/sys/kernel"):
            try:
                open(os.path.join(place, "planted"), "w").write("x")
                say("WROTE", place)
            except OSError as error:
                say(place, errno.errorcode[error.errno])
        for place in ("/tmp", "/run/plangate/tree", "/run/plangate/home", "/run/plangate/out"):
            open(os.path.join(place, "planted"), "w").write("x")
            say("may write", place)
        """,
    )
    assert "WROTE" not in text
    assert text.count("may write") == 4


def test_no_other_process_can_be_seen(
    inside: Attack, said: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANGATE_SECRET_KEY", SECRET)
    text = said(
        inside,
        """
        found = [name for name in os.listdir("/proc") if name.isdigit()]
        say("processes:", len(found))
        for name in found:
            for what in ("environ", "cmdline"):
                try:
                    say(open(f"/proc/{name}/{what}", "rb").read())
                except OSError:
                    pass
        say("descriptors:", *sorted(os.listdir("/proc/self/fd")))
        """,
    )
    assert SECRET not in text
    assert int(text.split("processes: ")[1].split()[0]) <= 3
    # Its input, its output, its errors, and the folder that it reads just now.
    assert text.split("descriptors: ")[1].split() == ["0", "1", "2", "3"]


def test_no_socket_of_this_machine_can_be_reached(
    inside: Attack, said: Callable[..., str], tmp_path: Path
) -> None:
    path, hidden = tmp_path / "redis.sock", f"\0plangate-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as by_path, socket.socket(socket.AF_UNIX) as by_name:
        for server, place in ((by_path, str(path)), (by_name, hidden)):
            server.bind(place)
            server.listen()
        path.chmod(0o777)
        text = said(
            inside,
            f"""
            for place in ({str(path)!r}, {hidden!r}):
                try:
                    socket.socket(socket.AF_UNIX).connect(place)
                    say("CONNECTED")
                except OSError as error:
                    say(errno.errorcode[error.errno])
            """,
        )
    assert "CONNECTED" not in text
    assert "ENOENT" in text
    assert "ECONNREFUSED" in text


def test_the_worker_s_own_environment_and_descriptors_stay_outside(
    inside: Attack, said: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", SECRET)
    (tmp_path / "open").write_text(SECRET)
    with (tmp_path / "open").open() as held:
        os.set_inheritable(held.fileno(), True)
        done = threading.Event()
        text = said(
            inside,
            """
            say(dict(os.environ))
            for number in range(3, 200):
                try:
                    say(number, os.read(number, 100))
                except OSError:
                    pass
            """,
        )
        done.set()
    assert SECRET not in text
