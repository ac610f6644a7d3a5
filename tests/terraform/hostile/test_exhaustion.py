"""What a change's code can use up: no more than its limits, and the run says which of them ended it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from bot.terraform.sandbox.limits import RunLimits
from tests.terraform.conftest import Onlooker
from tests.terraform.hostile.conftest import Attack

LIMITS = RunLimits(memory=256, processes=60, files=100, file_size=16, disk=48, output=8)

ATTACKS = {
    "memory": """
        kept = []
        for _ in range(4):
            if not os.fork():
                kept = [bytearray(100 << 20)]
                for piece in kept:
                    for at in range(0, len(piece), 4096):
                        piece[at] = 1
                time.sleep(60)
        time.sleep(60)
        """,
    "processes": """
        def bomb():
            while True:
                try:
                    os.fork()
                except OSError:
                    time.sleep(0.05)
        bomb()
        """,
    "disk": """
        number = 0
        while True:
            number += 1
            with open(str(number), "wb") as file:
                file.write(b"x" * (1 << 20))
            time.sleep(0.002)
        """,
    "file_size": """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with open("large", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * (1 << 20))
            except OSError as error:
                say(errno.errorcode[error.errno])
        time.sleep(60)
        """,
    "output": """
        while True:
            sys.stdout.write("x" * 65535 + "\\n")
            time.sleep(0.001)
        """,
}  # fmt: skip


@pytest.mark.parametrize("what", ATTACKS)
def test_a_run_that_takes_too_much_is_ended_and_says_of_what(
    inside: Attack, onlooker: Callable[..., Onlooker], what: str
) -> None:
    limits = LIMITS if what != "output" else dataclasses.replace(LIMITS, file_size=0)
    done = inside.run(ATTACKS[what], limits=limits, watch=onlooker())
    assert f"PLANGATE_RUN_{what.upper()})" in done.exceeded
    assert done.code


@pytest.mark.parametrize("what", [name for name in ATTACKS if name != "processes"])
def test_so_is_one_without_a_sandbox(without: Attack, onlooker: Callable[..., Onlooker], what: str) -> None:
    limits = LIMITS if what != "output" else dataclasses.replace(LIMITS, file_size=0)
    done = without.run(ATTACKS[what], limits=limits, watch=onlooker())
    assert f"PLANGATE_RUN_{what.upper()})" in done.exceeded


def test_a_process_has_a_limit_of_its_own_for_open_files_and_memory(
    inside: Attack, said: Callable[..., str]
) -> None:
    text = said(
        inside,
        """
        kept = []
        try:
            while True:
                kept.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            say(len(kept), errno.errorcode[error.errno])
        for each in kept:
            os.close(each)
        try:
            bytearray(400 << 20)
        except MemoryError:
            say("no memory")
        """,
        limits=LIMITS,
    )
    assert "EMFILE" in text
    assert int(text.split()[0]) < 100
    assert "no memory" in text


def test_shared_memory_is_small(inside: Attack, said: Callable[..., str]) -> None:
    text = said(
        inside,
        """
        try:
            with open("/dev/shm/large", "wb", buffering=0) as file:
                for _ in range(200):
                    file.write(b"x" * (1 << 20))
        except OSError as error:
            say(errno.errorcode[error.errno])
        """,
    )
    assert "ENOSPC" in text


def test_what_is_hidden_from_the_watcher_counts_as_too_much(
    without: Attack, onlooker: Callable[..., Onlooker]
) -> None:
    # A path longer than the system takes in one piece.
    code = """
    for _ in range(60):
        os.mkdir("x" * 100)
        os.chdir("x" * 100)
    time.sleep(30)
    """
    done = without.run(code, limits=RunLimits(disk=100), watch=onlooker())
    assert "PLANGATE_RUN_DISK" in done.exceeded
