"""What a change's code can do to processes: end its own, and none that matters. Nothing outlives its run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.terraform.processes.process import Ending
from tests.terraform.conftest import Onlooker
from tests.terraform.hostile.conftest import Attack

MARKER = "left-behind-by-a-hostile-run"

LEAVING = f"""
for how in ("child", "session", "daemon"):
    if os.fork():
        continue
    if how != "child":
        os.setsid()
    if how == "daemon" and os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.execv(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(300)", "{MARKER}"])
time.sleep(0.5)
say("left")
"""


def alive() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if MARKER.encode() in words:
            found.append(words.decode())
    return found


@pytest.mark.parametrize("where", ["inside", "without"])
def test_nothing_of_a_run_outlives_it(
    request: pytest.FixtureRequest, said: Callable[..., str], where: str
) -> None:
    assert "left" in said(request.getfixturevalue(where), LEAVING)
    assert alive() == []


def test_a_run_that_forks_for_ever_ends_with_its_run(without: Attack, said: Callable[..., str]) -> None:
    code = f"""
    # Each child starts the next and ends: no list of processes is ever true.
    if os.fork():
        time.sleep(0.5)
        os._exit(0)
    again = "import os, time\\nfor _ in range(400):\\n  if os.fork(): os._exit(0)\\n  time.sleep(0.01)"
    argv = [sys.executable, "-S", "-c", again, "{MARKER}"]
    os.setsid()
    os.execv(sys.executable, argv)
    """
    said(without, code)
    assert alive() == []


def test_the_supervisor_is_out_of_reach(inside: Attack, said: Callable[..., str]) -> None:
    text = said(
        inside,
        """
        say("parent", os.getppid(), "me", os.getpid())
        for pid in (os.getppid(), 1):
            for number in (signal.SIGSTOP, signal.SIGKILL):
                os.kill(pid, number)
        if not os.fork():
            os.kill(-1, signal.SIGTERM)
            os._exit(0)
        os.wait()
        time.sleep(0.3)
        say("still here")
        """,
    )
    assert "parent 1 me 2" in text


def test_a_run_that_stops_its_whole_group_is_ended_when_its_time_is_up(
    inside: Attack, onlooker: Callable[..., Onlooker]
) -> None:
    watch = onlooker()
    done = inside.run('say("stopping"); os.kill(0, signal.SIGSTOP)', watch=watch, limit=2.0)
    assert "stopping" in watch.text
    assert done.ending is Ending.TIMED_OUT
    assert alive() == []


FORBIDDEN = """
def named(number):
    return "allowed" if not number else errno.errorcode[number]
say("ptrace", named(call({ptrace}, 16, os.getppid(), 0, 0)))
say("unshare", named(call({unshare}, 0x10000000)))
say("unshare-mounts", named(call({unshare}, 0x20000)))
say("clone", named(call({clone}, 0x10000000 | 17, 0, 0, 0, 0)))
say("clone3", named(call(435, ctypes.create_string_buffer(88), 88)))
say("mount", named(call({mount}, b"none", b"/tmp", b"tmpfs", 0, 0)))
say("chroot", named(call({chroot}, b"/tmp")))
say("setns", named(call({setns}, os.open("/proc/self/ns/mnt", os.O_RDONLY), 0)))
say("keyctl", named(call({keyctl}, 0, -3, 0)))
say("add_key", named(call({add_key}, b"user", b"x", b"y", 1, -3)))
say("bpf", named(call({bpf}, 0, 0, 0)))
say("perf", named(call({perf}, ctypes.create_string_buffer(128), 0, -1, -1, 0)))
say("io_uring", named(call(425, 8, ctypes.create_string_buffer(256))))
say("userfaultfd", named(call({userfaultfd}, 0)))
say("process_vm", named(call({process_vm}, os.getppid(), 0, 0, 0, 0, 0)))
say("pidfd_getfd", named(call(438, 0, 0, 0)))
say("personality", named(call({personality}, 0x0040000)))
say("personality-asked", named(call({personality}, 0xffffffff)))
import fcntl
try:
    fcntl.ioctl(0, 0x5412, b"x")
    say("tiocsti allowed")
except OSError as error:
    say("tiocsti", errno.errorcode[error.errno])
for name, words in {{"packet": (17, 3, 0), "alg": (38, 5, 0), "vsock": (40, 1, 0), "audit": (16, 3, 9),
                    "route": (16, 3, 0), "inet": (2, 1, 0), "unix": (1, 1, 0), "raw": (2, 3, 1)}}.items():
    try:
        socket.socket(*words)
        say(f"socket-{{name}} allowed")
    except OSError as error:
        say(f"socket-{{name}}", errno.errorcode[error.errno])
"""
NUMBERS = {
    "x86_64": {
        "ptrace": 101, "unshare": 272, "clone": 56, "mount": 165, "chroot": 161, "setns": 308, "keyctl": 250,
        "add_key": 248, "bpf": 321, "perf": 298, "userfaultfd": 323, "process_vm": 310, "personality": 135,
    },
    "aarch64": {
        "ptrace": 117, "unshare": 97, "clone": 220, "mount": 40, "chroot": 51, "setns": 268, "keyctl": 219,
        "add_key": 217, "bpf": 280, "perf": 241, "userfaultfd": 282, "process_vm": 270, "personality": 92,
    },
}  # fmt: skip


def test_the_kernel_answers_only_what_a_run_needs(inside: Attack, said: Callable[..., str]) -> None:
    text = said(inside, FORBIDDEN.format(**NUMBERS[platform.machine()]))
    answers = dict(line.rsplit(" ", 1) for line in text.splitlines() if line)
    fine = {name for name, answer in answers.items() if answer == "allowed"}
    assert fine == {"personality-asked", "socket-route", "socket-inet", "socket-unix"}
    assert answers["clone3"] == "ENOSYS"
    for name in ("packet", "alg", "vsock", "audit"):
        assert answers[f"socket-{name}"] == "EAFNOSUPPORT"
    named = ("ptrace", "unshare", "clone", "mount", "chroot", "setns", "keyctl", "bpf", "io_uring", "tiocsti")
    assert {answers[name] for name in named} == {"EPERM"}


def test_there_are_no_rights_to_gain(inside: Attack, said: Callable[..., str]) -> None:
    text = said(
        inside,
        """
        for line in open("/proc/self/status"):
            if line.startswith(("Cap", "NoNewPrivs", "Seccomp:", "Uid")):
                say(*line.split())
        try:
            os.setuid(0)
            say("BECAME ROOT")
        except OSError as error:
            say(errno.errorcode[error.errno])
        """,
    )
    assert "BECAME ROOT" not in text
    assert "NoNewPrivs: 1" in text
    assert "Seccomp: 2" in text
    assert "Uid: 1000 1000 1000 1000" in text
    assert text.count("0000000000000000") == 5


def test_another_user_runs_it_where_the_worker_is_root(
    inside: Attack, onlooker: Callable[..., Onlooker]
) -> None:
    if os.geteuid():
        pytest.skip("left out: these tests do not run as root")
    watch = onlooker()
    inside.run('open("/run/plangate/tree/made", "w").write("x"); say("made")', watch=watch)
    owner = (inside.data / "runs" / "run-1" / "tree" / "made").stat().st_uid
    assert owner == inside.sandbox.uid("run-1")
    assert owner != 0


def test_two_interrupts_reach_a_run_as_one(inside: Attack, onlooker: Callable[..., Onlooker]) -> None:
    code = """
    count = 0
    def told(*_):
        global count
        count += 1
        say("interrupted", count)
    signal.signal(signal.SIGINT, told)
    say("ready")
    until = time.monotonic() + 4
    while time.monotonic() < until:
        time.sleep(0.05)
    """
    watch = onlooker(when="ready")
    done = inside.run(code, watch=watch)
    assert done.ending is Ending.INTERRUPTED
    assert "interrupted 1" in watch.text
    assert "interrupted 2" not in watch.text
