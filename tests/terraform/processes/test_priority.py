"""Sessions share the processor as their niceness says, also where the kernel counts each session as one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, subprocess, sys, time
from pathlib import Path
from bot.terraform.sandbox.priority import share_by_niceness

def of(pid):
    return Path(f"/proc/{pid}/autogroup").read_text().split()[-1]

def share(pid):
    until = time.monotonic() + 60
    while not share_by_niceness(pid):
        assert time.monotonic() < until
        time.sleep(0.05)

os.nice(7)
share(0)
command = ["sleep", "60"]
follows, leads = subprocess.Popen(command), subprocess.Popen(command, start_new_session=True)
led = share_by_niceness(follows.pid)
share(leads.pid)
print(of("self"), of(leads.pid), led)
for each in (follows, leads):
    each.kill()
    each.wait()
"""


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel does not group sessions")
def test_a_session_is_as_nice_as_the_process_that_asks() -> None:
    # A session that somebody else leads is nobody's to change: that may be a terminal's.
    ended = subprocess.run(
        [sys.executable, "-c", CODE], start_new_session=True, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["7", "7", "False"]
