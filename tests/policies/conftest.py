"""Judges plans by sets that are written out in the tests, by the real evaluator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from bot.domain.policies.policy import EnforcementLevel
from bot.domain.policies.sets import PolicyLimits
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.ports import PolicyJob, PolicyResult, WatchSignal
from tests.support.opa import opa_or_skip

A_MINUTE = PolicyLimits(seconds=60)
Judge = Callable[..., Sequence[PolicyResult]]


class Patience:
    def output(self, text: str) -> None:
        pass

    def tick(self) -> WatchSignal:
        return WatchSignal.GO_ON


@pytest.fixture(scope="session")
def bundled() -> RegoEngine:
    return RegoEngine(Child(lambda argv, _: argv))


@pytest.fixture(scope="session")
def opa() -> RegoEngine:
    """OPA, made once; tests that need it are skipped with the reason where it can't be made."""
    return RegoEngine(Child(lambda argv, _: argv), opa_or_skip())


@pytest.fixture(scope="session", params=["bundled", "opa"])
def engine(request: pytest.FixtureRequest) -> RegoEngine:
    """Each evaluator in turn: what is true of sets is true of both."""
    found: RegoEngine = request.getfixturevalue(request.param)
    return found


def judging(engine: RegoEngine) -> Judge:
    """Return what judges by sets that are written out."""

    def judged(
        files: Mapping[str, str],
        plan: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        level: EnforcementLevel = EnforcementLevel.SOFT,
        by: RegoEngine = engine,
        limits: PolicyLimits = A_MINUTE,
        **more: Any,
    ) -> Sequence[PolicyResult]:
        raw = {path: text.encode() for path, text in files.items()}
        job = PolicyJob(raw, level, json.dumps(plan or {}).encode(), run or {}, limits, **more)
        return by.judge([job], Patience())[0]

    return judged


@pytest.fixture(scope="session")
def judge(engine: RegoEngine) -> Judge:
    return judging(engine)
