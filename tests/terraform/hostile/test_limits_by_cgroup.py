"""Control groups that were delegated to Plangate: a folder stands for the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.terraform.sandbox import cgroups
from bot.terraform.sandbox.limits import RunLimits

LIMITS = RunLimits(memory=512, processes=100)


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A service's group that was delegated as a whole, with a group below it that has our process."""
    service = tmp_path / "system.slice" / "plangate.service"
    (service / "plangate").mkdir(parents=True)
    (service / "cgroup.subtree_control").write_text("memory pids\n")
    return tmp_path


OWN = "/system.slice/plangate.service/plangate"


def test_a_run_gets_a_group_beside_ours_with_its_limits(kernel: Path) -> None:
    group = cgroups.make(LIMITS, "plangate-run-1", kernel, OWN)
    assert group is not None
    assert group.folder == kernel / "system.slice/plangate.service/plangate-run-1"
    assert (group.folder / "memory.max").read_text() == str(512 << 20)
    assert (group.folder / "pids.max").read_text() == "100"
    group.take(os.getpid())
    assert (group.folder / "cgroup.procs").read_text() == str(os.getpid())


def test_where_none_was_delegated_there_is_none(kernel: Path) -> None:
    assert cgroups.make(LIMITS, "x", kernel, "/") is None
    (kernel / "system.slice/plangate.service/cgroup.subtree_control").unlink()
    (kernel / "system.slice/plangate.service/cgroup.subtree_control").mkdir()
    assert cgroups.make(LIMITS, "x", kernel, OWN) is None
    assert sorted(each.name for each in (kernel / "system.slice/plangate.service").iterdir()) == [
        *("cgroup.subtree_control", "plangate"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("memory.events", "low 0\noom 3\noom_kill 2\n", "memory"),
        ("pids.events", "max 5\n", "processes"),
        ("memory.events", "oom 0\noom_kill 0\n", ""),
    ],
)
def test_the_kernel_says_which_limit_it_was(kernel: Path, name: str, text: str, limit: str) -> None:
    group = cgroups.make(LIMITS, "plangate-run-1", kernel, OWN)
    assert group is not None
    (group.folder / name).write_text(text)
    assert group.exceeded() == limit
