"""Judges plans by sets that are written out in the tests, by the real evaluator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from bot.domain.policy import Level
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.ports import Judged, PolicyJob, Stop

Judge = Callable[..., Sequence[Judged]]


class Patience:
    def output(self, text: str) -> None:
        pass

    def tick(self) -> Stop:
        return Stop.GO_ON


@pytest.fixture(scope="session")
def engine() -> RegoEngine:
    return RegoEngine(Child(lambda argv, _: argv, seconds=60))


@pytest.fixture(scope="session")
def judge(engine: RegoEngine) -> Judge:
    def judged(
        files: Mapping[str, str],
        plan: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        level: Level = Level.SOFT,
        by: RegoEngine = engine,
    ) -> Sequence[Judged]:
        raw = {path: text.encode() for path, text in files.items()}
        return by.judge(PolicyJob(raw, level, json.dumps(plan or {}).encode(), run or {}), Patience())

    return judged
