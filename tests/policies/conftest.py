"""Judges plans by sets that are written out in the tests, by the real evaluator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from bot.domain.policy import Level
from bot.domain.policy_sets import PolicyLimits
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.ports import Judged, PolicyJob, Stop

A_MINUTE = PolicyLimits(seconds=60)
Judge = Callable[..., Sequence[Judged]]


class Patience:
    def output(self, text: str) -> None:
        pass

    def tick(self) -> Stop:
        return Stop.GO_ON


@pytest.fixture(scope="session")
def engine() -> RegoEngine:
    return RegoEngine(Child(lambda argv, _: argv))


@pytest.fixture(scope="session")
def judge(engine: RegoEngine) -> Judge:
    def judged(
        files: Mapping[str, str],
        plan: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        level: Level = Level.SOFT,
        by: RegoEngine = engine,
        limits: PolicyLimits = A_MINUTE,
    ) -> Sequence[Judged]:
        raw = {path: text.encode() for path, text in files.items()}
        return by.judge(PolicyJob(raw, level, json.dumps(plan or {}).encode(), run or {}, limits), Patience())

    return judged
