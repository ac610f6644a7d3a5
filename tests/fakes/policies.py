"""Policies without Rego: tests say what each set says of a plan, and which files a commit has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.domain.errors import EngineError, Interrupted
from bot.domain.policies.policy import EnforcementLevel, PolicyOutcome
from bot.services.ports import Files, GitRemote, PolicyJob, PolicyResult, PolicyTest, Watch, WatchSignal


class FakePolicies:
    """Implements PolicyEngine and SetFiles.

    A set's one file `says` holds a policy a line: name, level, outcome, and message. `jobs` are what it
    was asked to judge, `fetched` the commits that were fetched; `fetch_errors` are raised one after another.
    """

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.commits: dict[str, str] = {}
        self.jobs: list[PolicyJob] = []
        self.fetched: list[str] = []
        self.fetch_errors: list[EngineError] = []
        self.during: list[Callable[[], object]] = []

    def judge(self, jobs: Sequence[PolicyJob], watch: Watch) -> Sequence[Sequence[PolicyResult]]:
        self.jobs += jobs
        if self.during:
            self.during.pop(0)()
        if watch.tick() is not WatchSignal.GO_ON:
            raise Interrupted("judging was interrupted")
        return [[self._judged(line) for line in job.files["says"].decode().splitlines()] for job in jobs]

    @staticmethod
    def _judged(line: str) -> PolicyResult:
        name, level, outcome, *message = line.split(" ", 3)
        return PolicyResult(
            name,
            EnforcementLevel(level),
            PolicyOutcome(outcome),
            tuple(message),
            0.01,
            f"about {name}",
            "says",
        )

    def test(self, files: Files) -> Sequence[PolicyTest]:
        return [PolicyTest("test_it", path, "", 0.01) for path in files]

    def local(self, folder: str) -> Files:
        return {"says": self.folders[folder].encode()}

    def at_commit(self, remote: GitRemote, commit: str, folder: str, watch: Watch) -> Files:
        self.fetched.append(commit)
        if self.fetch_errors:
            raise self.fetch_errors.pop(0)
        return {"says": self.commits[commit].encode()} if commit in self.commits else {}
