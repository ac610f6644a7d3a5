"""The corpus of Terraform idioms: `python -m tests.idioms` has OPA write the answers that are expected.

Each file of tests/policies/idioms has idioms, each under a line `# --- name`: the rules of a set in package
`main`, all judged on one plan. The answers are kept, so that tests need no OPA for them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from bot.domain.policies.policy import EnforcementLevel, PolicyOutcome
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.ports import PolicyJob, PolicyResult, WatchSignal

FOLDER = Path(__file__).with_name("policies") / "idioms"
ANSWERS = FOLDER / "answers.json"
Answer = Mapping[str, list[str]]
"""What came of an idiom: by policy, its outcome and behind it its messages; of an error the outcome only."""


class Patience:
    """A watcher that lets it go on."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> WatchSignal:
        """Go on."""
        return WatchSignal.GO_ON


def idioms() -> dict[str, str]:
    """Return the rules of each idiom, by its file and its name."""
    found = {}
    for path in sorted(FOLDER.glob("*.txt")):
        for part in re.split(r"^# --- ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name, _, rules = part.partition("\n")
            found[f"{path.stem}: {name}"] = f"package main\n\n{rules}"
    return found


def answers(engine: RegoEngine, chosen: Mapping[str, str]) -> dict[str, Answer]:
    """Have idioms judged, all in one go."""
    plan = (FOLDER / "plan.json").read_bytes()
    jobs = [
        PolicyJob({"main.rego": rules.encode()}, EnforcementLevel.SOFT, plan, {}) for rules in chosen.values()
    ]
    return {name: _answer(found) for name, found in zip(chosen, engine.judge(jobs, Patience()), strict=True)}


def _answer(found: Iterable[PolicyResult]) -> Answer:
    return {
        one.policy: [one.outcome.value, *(one.messages if one.outcome is not PolicyOutcome.ERRORED else ())]
        for one in found
    }


def kept() -> dict[str, Answer]:
    """Return OPA's answers."""
    read: dict[str, Answer] = json.loads(ANSWERS.read_text(encoding="utf-8"))
    return read


def main() -> None:
    """Write the answers."""
    from tests.support.opa import opa_programs  # noqa: PLC0415 -- pytest comes with it

    engine = RegoEngine(Child(lambda argv, _: argv), opa_programs())
    found = answers(engine, idioms())
    ANSWERS.write_text(
        json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
    sys.stdout.write(f"{len(found)} answers of {engine.evaluator()}\n")


if __name__ == "__main__":
    main()
