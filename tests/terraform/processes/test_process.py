from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bot.domain.errors import EngineError, LeaseLost
from bot.domain.masking import Masker
from bot.services.ports import Stop
from bot.terraform import process
from bot.terraform.binaries import LAUNCHER
from bot.terraform.process import Command, Ending
from bot.terraform.transcript import LARGEST_OUTPUT, Transcript

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
def start(tmp_path, onlooker):
    def run(script, *args, watch=None, limit=60.0, grace=60.0, launched=True, secrets=(), **more):
        watch = watch or onlooker()
        said = Transcript(Masker(secrets), watch.output)
        launcher = (sys.executable, "-I", str(LAUNCHER), "5") if launched else ()
        command = Command(
            argv=(*launcher, sys.executable, "-I", "-c", script, *args),
            environment={"PATH": os.environ["PATH"]},
            cwd=tmp_path,
            scratch=tmp_path,
            launched=launched,
        )
        return process.run(command, watch, said, limit=limit, grace=grace, **more), watch, said

    return run


def test_output_and_exit_code_come_back_whole(start, tmp_path):
    script = "import sys; print('é' * 100_000); print('err', file=sys.stderr); sys.exit(3)"
    done, watch, _ = start(script)
    assert (done.code, done.ending) == (3, Ending.BY_ITSELF)
    assert watch.text.count("é") == 100_000
    assert "err" in watch.text
    assert list(tmp_path.iterdir()) == []


def test_captured_output_stays_out_of_the_log(start):
    done, watch, _ = start("import sys; print('secret'); print('log', file=sys.stderr)", capture=True)
    assert done.stdout == b"secret\n"
    assert watch.text == "log\n"


def test_what_is_captured_has_a_limit(start):
    with pytest.raises(EngineError, match="more than 256 MB"):
        start("import os; os.ftruncate(1, (256 << 20) + 1)", capture=True)


# Of holes, which take no place on the disk: each time more than is ever read at once, as a loop would write.
FLOOD = """
import os, time
for size in range(1, 1500):
    os.ftruncate(1, size << 26)
    time.sleep(0.016)
"""


def test_output_that_comes_too_fast_keeps_nobody_from_stopping_a_process(start):
    done, watch, _ = start(FLOOD, limit=1.0, grace=0.5)
    assert done.ending is Ending.TIMED_OUT
    assert "[output is left out here: it came faster than it can be read]" in watch.text


@pytest.mark.parametrize("launched", [True, False])
def test_an_interrupt_is_sent_once_however_often_it_is_asked_for(start, onlooker, launched):
    watch = onlooker(when="ready")

    def want():
        return Stop.KILL if watch.ticks > 4 else Stop.INTERRUPT

    watch.then = want
    done, watch, _ = start(STUBBORN, "ignore", watch=watch, launched=launched)
    assert done.ending is Ending.KILLED
    assert "interrupted 1" in watch.text
    assert "interrupted 2" not in watch.text


def test_an_interrupted_process_may_end_by_itself(start, onlooker):
    done, _, _ = start(STUBBORN, "obey", watch=onlooker(when="ready"))
    assert (done.code, done.ending) == (7, Ending.INTERRUPTED)


def test_past_its_limit_a_process_is_interrupted_and_then_killed(start):
    done, watch, _ = start(STUBBORN, "ignore", limit=1.0, grace=0.5)
    assert done.ending is Ending.TIMED_OUT
    assert done.code != 0
    assert "interrupted 1" in watch.text


def test_nothing_is_started_for_a_watcher_that_wants_to_stop(start, onlooker, tmp_path):
    class Unwilling(onlooker):
        def tick(self):
            return Stop.INTERRUPT

    done, _, _ = start("open('started', 'w')", watch=Unwilling())
    assert done.ending is Ending.INTERRUPTED
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("method", ["tick", "output"])
def test_what_a_watcher_raises_ends_the_process(start, onlooker, method, tmp_path):
    def lost(self, *_):
        if method == "output" or self.text:
            raise LeaseLost("gone")
        return Stop.GO_ON

    broken = type("Broken", (onlooker,), {method: lost})
    with pytest.raises(LeaseLost):
        start(STUBBORN + "\nopen('lived', 'w')", "obey", watch=broken())
    assert not (tmp_path / "lived").exists()


def test_what_a_process_leaves_running_is_killed(start):
    script = """
import os, time
left = os.fork()
if not left:
    time.sleep(600)
print(left)
"""
    _, watch, _ = start(script)
    assert gone(int(watch.text))


def test_a_program_that_is_not_there_is_told_so(tmp_path, onlooker):
    said = Transcript(Masker(()), onlooker().output)
    command = Command(("/nonexistent/program",), {}, tmp_path, tmp_path)
    with pytest.raises(EngineError, match="/nonexistent/program can't be started: No such file"):
        process.run(command, onlooker(), said, limit=1, grace=1)


def test_endless_output_is_cut_but_its_last_words_are_kept(onlooker):
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
        ("Error: One\n\nText.\n\nError: Two\n\nError: Three\n", "Error: One: Text. (and 2 more errors)"),
    ],
)
def test_the_first_error_becomes_one_line(onlooker, text, words):
    said = Transcript(Masker(()), onlooker().output)
    said.feed(text.encode())
    assert said.error_words() == words
