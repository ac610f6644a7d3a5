"""The fork server: supervisors come from it as they would from the worker, and nothing depends on it."""

from __future__ import annotations

import importlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.runs.masking import Masker
from bot.services.ports import WatchSignal
from bot.terraform.processes import process
from bot.terraform.processes.process import Ending, Finished
from bot.terraform.processes.transcript import Transcript
from bot.terraform.running import apply_record, delivery
from bot.terraform.sandbox.fork_server import ForkServer, start
from bot.terraform.sandbox.task import Task
from tests.support.processes import parents
from tests.terraform.conftest import Onlooker, Rig
from tests.terraform.processes.test_process import STUBBORN, gone

RECORDS = (apply_record.__name__, delivery.__name__)
LAUNCHED = """
import sys, time
from bot.terraform.sandbox.fork_server import ForkServer
print(ForkServer.launch().pid, flush=True)
time.sleep(300)
"""


@pytest.fixture
def server() -> Iterator[ForkServer]:
    found = ForkServer.launch(RECORDS)
    yield found
    (ForkServer.current() or found).close()


class Unreadable(dict[str, str]):
    """An environment that only this process can read."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return importlib.import_module, ("a_module_of_another_version",)


def task_of(root: Path, script: str, *args: str) -> Task:
    argv = (sys.executable, "-I", "-c", script, *args)
    return Task(argv, {"PATH": os.environ["PATH"]}, root, root, linger=5.0)


def run(root: Path, watch: Onlooker, script: str, *args: str, capture: bool = False) -> Finished:
    said = Transcript(Masker(()), watch.output)
    task = task_of(root, script, *args)
    return process.run(task, watch, said, limit=60.0, grace=60.0, capture=capture)


def end_of(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(30_000))


def test_output_and_exit_code_come_back_whole(server: ForkServer, tmp_path: Path) -> None:
    watch = Onlooker()
    script = "import sys; print('é' * 100_000); print('err', file=sys.stderr); sys.exit(3)"
    done = run(tmp_path, watch, script)
    assert (done.code, done.ending) == (3, Ending.BY_ITSELF)
    assert watch.text.count("é") == 100_000
    assert "err" in watch.text
    captured = run(tmp_path, Onlooker(), "print('whole')", capture=True)
    assert (captured.code, captured.stdout) == (0, b"whole\n")


def test_a_supervisor_is_the_server_s_child_and_takes_nothing_of_this_process(
    server: ForkServer, tmp_path: Path
) -> None:
    secret = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(secret, True)
    with (tmp_path / "out").open("wb") as out:
        task = task_of(tmp_path, "import os, time; print(os.listdir('/proc/self/fd'), flush=True)")
        started = start(task, out.fileno(), out.fileno())
    assert not started.ours
    assert parents().get(started.pid, server.pid) == server.pid
    assert end_of(started.pidfd)
    # Its three streams, and the folder that it lists.
    assert (tmp_path / "out").read_text() == "['0', '1', '2', '3']\n"
    for each in (secret, started.pidfd, started.lifeline, started.report):
        os.close(each)


def test_an_interrupted_process_may_end_by_itself(server: ForkServer, tmp_path: Path) -> None:
    watch = Onlooker(when="ready")
    done = run(tmp_path, watch, STUBBORN, "obey")
    assert (done.code, done.ending) == (7, Ending.INTERRUPTED)
    assert watch.text.count("interrupted") == 1


def test_a_killed_process_is_over(server: ForkServer, tmp_path: Path) -> None:
    watch = Onlooker(when="ready", then=lambda: WatchSignal.KILL)
    assert run(tmp_path, watch, STUBBORN, "ignore").ending is Ending.KILLED


def test_without_the_server_a_supervisor_is_this_process_s_own(server: ForkServer, tmp_path: Path) -> None:
    os.kill(server.pid, signal.SIGKILL)
    assert gone(server.pid)
    with (tmp_path / "out").open("wb") as out:
        started = start(task_of(tmp_path, "print('done')"), out.fileno(), out.fileno())
    assert started.ours
    os.waitpid(started.pid, 0)
    assert (tmp_path / "out").read_text() == "done\n"
    for each in (started.pidfd, started.lifeline, started.report):
        os.close(each)
    assert run(tmp_path, Onlooker(), "import sys; sys.exit(4)").code == 4


def test_a_supervisor_that_hears_no_first_word_starts_nothing(server: ForkServer, tmp_path: Path) -> None:
    lifeline, rope = os.pipe()
    report, tell = os.pipe()
    task = task_of(tmp_path, "open('started', 'w')")
    with (tmp_path / "out").open("wb") as out:
        found = server.ask(task, out.fileno(), out.fileno(), lifeline, tell)
    for each in (lifeline, tell, rope):
        os.close(each)
    assert end_of(found[1])
    assert os.read(report, 100) == b""
    assert not (tmp_path / "started").exists()
    for each in (report, found[1]):
        os.close(each)


def test_a_task_that_the_server_can_t_read_runs_without_it(
    server: ForkServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    readable = task_of(tmp_path, "print('done')")
    watch = Onlooker()
    task = replace(readable, environment=Unreadable(readable.environment))
    done = process.run(task, watch, Transcript(Masker(()), watch.output), limit=60.0, grace=60.0)
    assert (done.code, watch.text) == (0, "done\n")
    assert "a_module_of_another_version" in caplog.text
    # It is forgotten by this process, and by all that share it.
    assert ForkServer.current() is None
    assert server.gone
    assert gone(server.pid)


@pytest.mark.parametrize("why", ["stopped", "killed", "unreadable"])
def test_the_run_after_one_that_the_server_failed_has_a_new_server(
    server: ForkServer, tmp_path: Path, why: str
) -> None:
    readable = task_of(tmp_path, "import sys; sys.exit(4)")
    task = (
        replace(readable, environment=Unreadable(readable.environment)) if why == "unreadable" else readable
    )
    if why != "unreadable":
        os.kill(server.pid, signal.SIGSTOP if why == "stopped" else signal.SIGKILL)
    # As a worker has it: the process of a job is a fork, and what it forgets the worker must learn.
    job = os.fork()
    if job == 0:
        watch = Onlooker()
        done = process.run(task, watch, Transcript(Masker(()), watch.output), limit=60.0, grace=60.0)
        os._exit(done.code)
    assert os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) == 4
    ForkServer.renew()
    successor = ForkServer.current()
    assert successor is not None
    assert successor.pid != server.pid
    assert gone(server.pid)
    with (tmp_path / "out").open("wb") as out:
        started = start(task_of(tmp_path, "print('next')"), out.fileno(), out.fileno())
    assert not started.ours
    assert end_of(started.pidfd)
    assert (tmp_path / "out").read_text() == "next\n"
    for each in (started.pidfd, started.lifeline, started.report):
        os.close(each)
    ForkServer.renew()
    assert ForkServer.current() is successor


def test_the_server_ends_with_the_last_process_that_could_ask() -> None:
    with subprocess.Popen([sys.executable, "-c", LAUNCHED], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert pid in parents()
        worker.kill()
    assert gone(pid)


def test_a_run_from_plan_to_apply(server: ForkServer, rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine, job, watch = rig.engine(), rig.job('resource "terraform_data" "x" {}\n'), onlooker()
    engine.fetch(job, watch)
    plan = engine.plan(job, watch)
    assert engine.apply(job, plan, watch).succeeded, watch.text
    assert rig.server.resources == ["terraform_data.x"]
    # The record was kept by the supervisor: whoever would take over finds it.
    done = engine.lost_apply(job.run_id, watch)
    assert done is not None
    assert done.succeeded
