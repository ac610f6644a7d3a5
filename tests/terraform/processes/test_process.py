from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import EngineError, LeaseLost
from bot.domain.runs.masking import Masker
from bot.services.ports import WatchSignal
from bot.terraform.processes import process
from bot.terraform.processes.process import Command, Ending, Finished
from bot.terraform.processes.tail import Tail
from bot.terraform.processes.transcript import LARGEST_OUTPUT, Transcript
from bot.terraform.sandbox import Enclosure
from bot.terraform.sandbox.task import Task
from tests.terraform.conftest import Onlooker

# Says so when it is interrupted, and how often.
STUBBORN = """
import signal, sys, time
count = 0
def told(*_):
    global count
    count += 1
    print("interrupted", count, flush=True)
    if sys.argv[1] == "obey":
        sys.exit(7)
signal.signal(signal.SIGINT, told)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def gone(pid: int) -> bool:
    """Whether a process ends; one that nobody has reaped yet counts."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def start(
    tmp_path: Path, onlooker: Callable[..., Onlooker]
) -> Callable[..., tuple[Finished, Onlooker, Transcript]]:
    def run(
        script: str,
        *args: str,
        watch: Onlooker | None = None,
        limit: float = 60.0,
        grace: float = 60.0,
        launched: bool = True,
        secrets: Sequence[str] = (),
        **more: Any,
    ) -> tuple[Finished, Onlooker, Transcript]:
        watch = watch or onlooker()
        said = Transcript(Masker(secrets), watch.output)
        argv = (sys.executable, "-I", "-c", script, *args)
        environment = {"PATH": os.environ["PATH"]}
        command = (
            Task(argv, environment, tmp_path, tmp_path, linger=5.0)
            if launched
            else Command(argv, environment, tmp_path, tmp_path)
        )
        return process.run(command, watch, said, limit=limit, grace=grace, **more), watch, said

    return run


def test_output_and_exit_code_come_back_whole(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]], tmp_path: Path
) -> None:
    script = "import sys; print('é' * 100_000); print('err', file=sys.stderr); sys.exit(3)"
    done, watch, _ = start(script)
    assert (done.code, done.ending) == (3, Ending.BY_ITSELF)
    assert watch.text.count("é") == 100_000
    assert "err" in watch.text
    assert list(tmp_path.iterdir()) == []


def test_captured_output_stays_out_of_the_log(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]],
) -> None:
    done, watch, _ = start("import sys; print('secret'); print('log', file=sys.stderr)", capture=True)
    assert done.stdout == b"secret\n"
    assert watch.text == "log\n"


def test_what_is_captured_has_a_limit(start: Callable[..., tuple[Finished, Onlooker, Transcript]]) -> None:
    with pytest.raises(EngineError, match="more than 256 MB"):
        start("import sys\nfor _ in range(257): sys.stdout.write('x' * (1 << 20))", capture=True)


# Of holes, which take no place on the disk: each time more than is ever read at once, as a loop would write.
FLOOD = """
import os, time
for size in range(1, 30):
    os.ftruncate(1, size << 26)
    time.sleep(0.016)
time.sleep(60)
"""


def test_what_is_left_out_is_read_in_parts(tmp_path: Path) -> None:
    """Promise 5: all of it takes hours, in which nobody could cancel the command."""
    said = Transcript(Masker(()), lambda _: None)
    with (tmp_path / "output").open("w+b") as file:
        os.ftruncate(file.fileno(), 1 << 40)
        tail = Tail(file.fileno(), said)
        assert not tail.drain(tail.size)


def test_output_that_comes_too_fast_keeps_nobody_from_stopping_a_process(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]],
) -> None:
    done, watch, _ = start(FLOOD, limit=1.0, grace=0.5)
    assert done.ending is Ending.TIMED_OUT
    assert "[output is left out here: it came faster than it can be read]" in watch.text


@pytest.mark.parametrize("launched", [True, False])
def test_an_interrupt_is_sent_once_however_often_it_is_asked_for(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]],
    onlooker: Callable[..., Onlooker],
    launched: bool,
) -> None:
    watch = onlooker(when="ready")

    def want() -> WatchSignal:
        return WatchSignal.KILL if watch.ticks > 4 else WatchSignal.INTERRUPT

    watch.then = want
    done, watch, _ = start(STUBBORN, "ignore", watch=watch, launched=launched)
    assert done.ending is Ending.KILLED
    assert "interrupted 1" in watch.text
    assert "interrupted 2" not in watch.text


def test_an_interrupted_process_may_end_by_itself(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]], onlooker: Callable[..., Onlooker]
) -> None:
    done, _, _ = start(STUBBORN, "obey", watch=onlooker(when="ready"))
    assert (done.code, done.ending) == (7, Ending.INTERRUPTED)


def test_past_its_limit_a_process_is_interrupted_and_then_killed(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]],
) -> None:
    done, watch, _ = start(STUBBORN, "ignore", limit=1.0, grace=0.5)
    assert done.ending is Ending.TIMED_OUT
    assert done.code != 0
    assert "interrupted 1" in watch.text


def test_nothing_is_started_for_a_watcher_that_wants_to_stop(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]],
    onlooker: Callable[..., Onlooker],
    tmp_path: Path,
) -> None:
    class Unwilling(Onlooker):
        def tick(self) -> WatchSignal:
            return WatchSignal.INTERRUPT

    done, _, _ = start("open('started', 'w')", watch=Unwilling())
    assert done.ending is Ending.INTERRUPTED
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("method", ["tick", "output"])
def test_what_a_watcher_raises_ends_the_process(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]],
    onlooker: Callable[..., Onlooker],
    method: str,
    tmp_path: Path,
) -> None:
    def lost(self: Onlooker, *_: Any) -> WatchSignal:
        if method == "output" or self.text:
            raise LeaseLost("gone")
        return WatchSignal.GO_ON

    broken = type("Broken", (Onlooker,), {method: lost})
    with pytest.raises(LeaseLost):
        start(STUBBORN + "\nopen('lived', 'w')", "obey", watch=broken())
    assert not (tmp_path / "lived").exists()


LEAVING = {
    "a child": "",
    "a session of its own": "os.setsid()",
    "a daemon": "os.setsid()\n    if os.fork(): os._exit(0)",
}


@pytest.mark.parametrize("how", LEAVING)
def test_what_a_process_leaves_running_is_killed(
    start: Callable[..., tuple[Finished, Onlooker, Transcript]], tmp_path: Path, how: str
) -> None:
    script = f"""
import os, time
left = os.fork()
if not left:
    {LEAVING[how]}
    open('left', 'w').write(str(os.getpid()))
    time.sleep(600)
while not (os.path.exists('left') and open('left').read()):
    time.sleep(0.01)
"""
    start(script)
    assert gone(int((tmp_path / "left").read_text()))


def test_a_program_that_is_not_there_is_told_so(tmp_path: Path, onlooker: Callable[..., Onlooker]) -> None:
    said = Transcript(Masker(()), onlooker().output)
    task = Task(("/nonexistent/program",), {}, tmp_path, tmp_path, linger=1.0)
    for command in (Command(("/nonexistent/program",), {}, tmp_path, tmp_path), task):
        with pytest.raises(EngineError, match="/nonexistent/program can't be started"):
            process.run(command, onlooker(), said, limit=1, grace=1)


def test_endless_output_is_cut_but_its_last_words_are_kept(onlooker: Callable[..., Onlooker]) -> None:
    watch = onlooker()
    said = Transcript(Masker(()), watch.output)
    for _ in range(200):
        said.feed(b"x" * 99_999 + b"\n")
    said.feed(b"\nError: The end\n\n  on main.tf line 7, in output:\n")
    said.end()
    assert len(watch.text) < LARGEST_OUTPUT + 200_000
    assert "the rest is not shown" in watch.text
    assert said.error_words() == "Error: The end — on main.tf line 7"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("all is well", ""),
        ("Error: No value\n\nSay one.\nOr two.\n\nMore.\n", "Error: No value: Say one. Or two."),
        (
            "╷\n│ Error: Boxed\n│ \n│   on a.tf line 2, in x:\n│    2: y\n│ \n│ It is wrong.\n╵\n",
            "Error: Boxed — on a.tf line 2: It is wrong.",
        ),
        (
            "\nError: Terraform encountered problems during initialisation, including problems\nwith the "
            "configuration, described below.\n\n\nError: Odd\n\n  on a.tf line 2:\n   2: y\n\nIt is.\n"
            "\nError: Odd\n\n  on a.tf line 2:\n   2: y\n\nIt is.\n",
            "Error: Odd — on a.tf line 2: It is.",
        ),
        ("Error: One\n\nText.\n\nError: Two\n\nError: Three\n", "Error: One: Text. (and 2 more errors)"),
    ],
)
def test_the_first_error_becomes_one_line(onlooker: Callable[..., Onlooker], text: str, words: str) -> None:
    said = Transcript(Masker(()), onlooker().output)
    said.feed(text.encode())
    assert said.error_words() == words


def test_a_sandbox_that_is_killed_before_it_is_there_leaves_nothing(
    tmp_path: Path, onlooker: Callable[..., Onlooker]
) -> None:
    """Its child has the pipes by which the sandbox would have told what it is."""
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/child\nkill -9 $$\n")
    bwrap.chmod(0o755)
    enclosure = Enclosure(bwrap, (), Path("/"), None, isolated=True, filter=b"")
    task = Task(("true",), {"PATH": os.environ["PATH"]}, tmp_path, tmp_path, 1.0, enclosure=enclosure)
    watch = onlooker()
    done = process.run(task, watch, Transcript(Masker(()), watch.output), limit=60.0, grace=1.0)
    assert (done.code, done.ending) == (137, Ending.BY_ITSELF)
    assert gone(int((tmp_path / "child").read_text()))
