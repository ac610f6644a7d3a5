"""`python -m tests.bench_changes`: how long changes of 1, 20 and 100 workspaces take, and what they cost.

Beside each is the same work without Plangate: `terraform init` and `plan` of the same directories, as many at
once as there are cores. The sandbox is on. Everything is on the loopback address.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bot.demo.stage import BOT
from tests.support import processes
from tests.support.cloud_cli import bundled_terraform
from tests.support.journeys import Journey, Repo, resource

SIZES = (1, 20, 100)
JOBS = 8
_LIMIT = 240.0
_LOOK = 0.04
# In seconds: a forge's times are whole seconds, and a plan is shown before it is approved.
_SHOWN = 4
# So many kinds of calls are printed, the most frequent ones.
_KINDS = 12
_IDS = re.compile(r"/([0-9a-f]{40}|\d+)(?=/|$)")
_TICKS = os.sysconf("SC_CLK_TCK")
BIG, SMALL = "acme/big", "acme/small"


@dataclass
class Cost:
    """What the machine did while something was measured."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    forks: int = 0


def manifest(size: int) -> str:
    """Return a plangate.yml with a workspace for each directory of a big repository, and a small one."""
    lines = ['forges:\n  {kind}: {kind: {kind}, url: "{forge}"}\n', "workspaces:"]
    lines += [
        f"  - {{name: dir-{number}, repo: {BIG}, branch: main, working_directory: dir-{number}}}"
        for number in range(size)
    ]
    lines.append(f"  - {{name: small, repo: {SMALL}, branch: main, working_directory: net}}")
    return "\n".join(lines) + "\n"


def directories(numbers: Iterable[int]) -> dict[str, str]:
    """Return the files of directories."""
    return {f"dir-{number}/main.tf": resource("one", f"value {number}") for number in numbers}


def busy() -> tuple[float, int]:
    """Return the seconds that all cores were busy since the start, and how many processes were started."""
    lines = Path("/proc/stat").read_text().splitlines()
    user, nice, system = (int(word) for word in lines[0].split()[1:4])
    forks = next(int(line.split()[1]) for line in lines if line.startswith("processes"))
    return (user + nice + system) / _TICKS, forks


def memory(journey: Journey) -> tuple[float, float]:
    """Return the memory of the web processes and of the workers in MB; shared pages count once."""
    found = []
    for name in ("web", "worker-1"):
        part = journey.stage.parts[name].process
        assert part is not None
        pids = [part.pid, *processes.below(part.pid)]
        found.append(sum(map(_proportional, pids)))
    return found[0], found[1]


def _proportional(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # it has ended
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def calls(journey: Journey) -> Counter[str]:
    """Return how often the bot asked the forge for what, ids left out."""
    stage = journey.stage
    headers = {"Authorization": f"Bearer {stage.admin_token}"}
    found = httpx.get(f"{stage.forge_url}/playground/calls", headers=headers).json()
    ours = (call for call in found if call["user"] == BOT)
    return Counter(f"{call['method']} {_IDS.sub('/N', call['path'])}" for call in ours)


class Watch:
    """Looks at the forge until everything that is asked for is there."""

    def __init__(self, journey: Journey) -> None:
        self._journey = journey
        self._calls = calls(journey)
        self._cpu, self._forks = busy()
        self._begun = time.perf_counter()

    def until(self, **asked: Callable[[], bool]) -> Cost:
        """Return when each of them was true for the first time, and what it cost until the last."""
        cost = Cost()
        while len(cost.seconds) < len(asked):
            for name, ask in asked.items():
                if name not in cost.seconds and ask():
                    cost.seconds[name] = time.perf_counter() - self._begun
            time.sleep(_LOOK)
            if time.perf_counter() - self._begun > _LIMIT:
                missing = ", ".join(asked.keys() - cost.seconds.keys())
                raise SystemExit(f"after {_LIMIT:.0f} s, still missing: {missing}")
        cpu, forks = busy()
        cost.cpu, cost.forks = cpu - self._cpu, forks - self._forks
        cost.calls = calls(self._journey) - self._calls
        return cost


def ended(repo: Repo, sha: str, words: str = "") -> Callable[[], bool]:
    """Return whether the aggregate status of a commit is a success that says these words."""

    def ask() -> bool:
        found = repo.status(sha, "plangate")
        return bool(found and found["state"] == "success" and words in (found["description"] or ""))

    return ask


def told(repo: Repo, number: int, words: str) -> Callable[[], bool]:
    """Return whether a comment of the bot says these words."""
    return lambda: any(words in body for body in repo.bot_comments(number))


def opened(repo: Repo, branch: str, files: dict[str, str]) -> tuple[str, Callable[[], int]]:
    """Push a branch with these files; return its commit, and what opens a change of it."""
    ana = repo.journey.ana
    ana.git(repo.tree, "checkout", "-q", "main")
    sha = repo.push(branch, "A round", files, new=True)
    return sha, lambda: ana.open_pull(repo.name, branch, "A round")


def plan_and_apply(journey: Journey, repo: Repo, numbers: range) -> tuple[Cost, Cost]:
    """Open a change with directories that are new, and apply it."""
    sha, open_ = opened(repo, f"change-{numbers.start}", directories(numbers))
    watch = Watch(journey)
    number = open_()
    size = len(numbers)
    what = f"{size} workspace{'s' if size > 1 else ''} ready to apply"
    planned = watch.until(comment=told(repo, number, what), status=ended(repo, sha))
    time.sleep(_SHOWN)
    watch = Watch(journey)
    type(journey.ana).comment(journey.ana, repo.name, number, "/apply")
    applied = watch.until(status=ended(repo, sha, "appl"), last_edit=told(repo, number, _applied(size)))
    return planned, applied


def _applied(size: int) -> str:
    return f"{size} workspace{'s' if size > 1 else ''} applied"


def behind(big: Repo, small: Repo, numbers: range) -> Cost:
    """Open a big change and a small one right after it; measure the small one."""
    _, open_big = opened(big, "in-front", directories(numbers))
    sha, open_small = opened(small, "behind", {"net/main.tf": resource("net", "behind")})
    open_big()
    watch = Watch(big.journey)
    open_small()
    return watch.until(first_sign=lambda: small.status(sha, "plangate") is not None, status=ended(small, sha))


def bare(size: int) -> float:
    """Return how long `terraform init` and `plan` of so many directories take by themselves, in seconds."""
    program = bundled_terraform()

    def plan(folder: Path) -> None:
        for argv in (["init", "-input=false"], ["plan", "-input=false", "-out=plan.tfplan"]):
            subprocess.run(
                [*program, *argv],
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "CHECKPOINT_DISABLE": "1"},
                check=True,
                stdout=subprocess.DEVNULL,
            )

    with tempfile.TemporaryDirectory(prefix="plangate-bare-") as root:
        folders = []
        for path, text in directories(range(size)).items():
            file = Path(root) / path
            file.parent.mkdir()
            file.write_text(text)
            folders.append(file.parent)
        begun = time.perf_counter()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(plan, folders))
        return time.perf_counter() - begun


def main(sizes: Sequence[int] = SIZES) -> None:
    """Print the table."""
    rounds = {size: 3 if size == 1 else 1 for size in sizes}
    total = sum(size * count for size, count in rounds.items()) + max(sizes)
    with tempfile.TemporaryDirectory(prefix="plangate-bench-") as folder:
        # As often as an installation sweeps, not as often as tests do.
        settings = {"PLANGATE_SANDBOX": "required", "PLANGATE_SWEEP_SECONDS": "15"}
        journey = Journey(Path(folder) / "stage", manifest(total), **settings)
        journey.stage.workers, journey.stage.jobs = 1, JOBS
        with journey:
            # Nothing to plan yet: the changes bring the directories.
            big, small = (journey.repo({"README.md": "Infrastructure"}, name) for name in (BIG, SMALL))
            for repo in (big, small):
                journey.ana.push(repo.tree, "main")
            time.sleep(5)
            web, workers = memory(journey)
            sys.stdout.write(f"  memory, idle: web {web:.0f} MB, {JOBS} workers {workers:.0f} MB\n")
            begin = 0
            for size, count in rounds.items():
                ranges = [
                    range(begin + size * number, begin + size * (number + 1)) for number in range(count)
                ]
                begin += size * count
                costs = [plan_and_apply(journey, big, numbers) for numbers in ranges]
                without = bare(size)
                row(f"{size}: bare init + plan", Cost({"all": without}))
                row(f"{size}: plan", _median([planned for planned, _ in costs]), without)
                row(f"{size}: apply", _median([applied for _, applied in costs]), without)
            row(f"1 behind {max(sizes)}", behind(big, small, range(total - max(sizes), total)))


def _median(costs: Sequence[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: statistics.fmean(cost.seconds.values()))[len(costs) // 2]


def row(name: str, cost: Cost, without: float = 0.0) -> None:
    """Print a line of the table. `without` is how long the same plans take without Plangate, in seconds."""
    times = "  ".join(f"{what} {seconds:6.2f} s" for what, seconds in cost.seconds.items())
    rest = (
        f"  CPU {cost.cpu:5.1f} s  calls {cost.calls.total():4}  processes {cost.forks:5}"
        if cost.forks
        else ""
    )
    ratio = f"  {max(cost.seconds.values()) / without:.1f} times bare" if without else ""
    sys.stdout.write(f"  {name:<24} {times}{ratio}{rest}\n")
    for kind, number in cost.calls.most_common(_KINDS):
        sys.stdout.write(f"      {number:5} {kind}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or SIZES)
