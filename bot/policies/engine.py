"""The PolicyEngine port: prepares sets, evaluates them in a child process, and reads the results."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bot.domain.errors import EngineError, Invalid
from bot.domain.policies.policy import EnforcementLevel, PolicyOutcome
from bot.domain.policies.sets import USUAL_LIMITS
from bot.policies.child import Answers, Child
from bot.policies.facts_cache import FactsCache
from bot.policies.inside.job import LONGEST_MESSAGE, MOST_MESSAGES, Query, SetJob
from bot.policies.programs import Opa, Programs
from bot.policies.sets import NO_POLICY, Policy, RuleSet, read_set
from bot.services.ports import Watch, WatchSignal
from bot.services.ports.policies import Files, PolicyJob, PolicyResult, PolicyTest

_THE_SET = "(the set)"
_WARNS = re.compile(r"(?:.*\.)?warn(?:_\w+)?")
_BUNDLED = "gordon-to-regorus"


class RegoEngine:
    """Judges plans by Rego: by OPA if it is there, else by the bundled evaluator.

    `programs` finds OPA. `only_bundled` leaves OPA to sets that require it.
    """

    def __init__(
        self,
        child: Child,
        programs: Programs | None = None,
        cache: Path | None = None,
        *,
        only_bundled: bool = False,
    ) -> None:
        self._child = child
        self._programs = programs or Programs("off")
        self._cache = FactsCache(cache)
        self._only_bundled = only_bundled

    def evaluator(self) -> str:
        """Return the name and version of the evaluator. Raises EngineError if a configured OPA is missing."""
        opa = None if self._only_bundled else self._programs.find()
        return opa.title if opa else bundled_title()

    def judge(self, jobs: Sequence[PolicyJob], watch: Watch) -> Sequence[Sequence[PolicyResult]]:
        """Judge one plan by sets."""
        opa = self._opa(watch, needed=any(job.needs_opa for job in jobs))
        found: list[Sequence[PolicyResult] | None] = []
        asked: list[tuple[int, RuleSet, SetJob]] = []
        for index, job in enumerate(jobs):
            try:
                by_opa = opa is not None and (job.needs_opa or not self._only_bundled)
                if job.needs_opa and opa is None:
                    raise Invalid(f"the set requires OPA (`evaluator: opa`): {self._programs.lacking()}")
                rules = read_set(job.files)
                asked.append((index, rules, self._set_job(job, rules, opa if by_opa else None)))
                found.append(None)
            except Invalid as error:
                # Its policies are not known, so one of them might be hard-mandatory.
                found.append(
                    [PolicyResult(_THE_SET, EnforcementLevel.HARD, PolicyOutcome.ERRORED, (str(error),))]
                )
        if asked:
            plan, run = _checked(jobs[0].plan_json), jobs[0].run
            answers = self._child.ask([one for _, _, one in asked], plan, run, opa, watch)
            for (index, rules, one), said in zip(asked, answers, strict=True):
                by = opa.title if opa and one.evaluator == "opa" else bundled_title()
                self._cache.keep(_key(one, by), said.facts)
                found[index] = _judged(jobs[index], rules, said, by)
        return [one or [] for one in found]

    def test(self, files: Files) -> Sequence[PolicyTest]:
        """Run the rules named `test_...` of a set. Raises Invalid if the set can't be read at all."""
        opa = self._opa(_Patience(), needed=False)
        rules = read_set(files)
        modules = {**rules.modules, **rules.tests}
        one = SetJob(
            modules=modules,
            data=rules.data,
            bare=True,
            evaluator="opa" if opa and not self._only_bundled else "bundled",
            seconds=USUAL_LIMITS.seconds,
            memory=USUAL_LIMITS.memory,
            tests=True,
        )
        (answers,) = self._child.ask([one], b"{}", {}, opa, _Patience())
        wrong = answers.wrong or next(
            (m["wrong"] for m in (answers.facts or {})["modules"].values() if m["wrong"]), ""
        )
        if wrong:
            raise Invalid(wrong)
        return [_tested(name, file, answers.of(name)) for name, file, _ in answers.policies]

    def _opa(self, watch: Watch, *, needed: bool) -> Opa | None:
        if self._only_bundled and not needed:
            return None
        return self._programs.provide(watch)

    def _set_job(self, job: PolicyJob, rules: RuleSet, opa: Opa | None) -> SetJob:
        queries = None
        if rules.policies is not None:
            queries = [Query(policy.name, policy.query) for policy in rules.policies]
        one = SetJob(
            modules=rules.modules,
            data=rules.data,
            bare=rules.policies is None,
            evaluator="opa" if opa else "bundled",
            seconds=job.limits.seconds,
            memory=job.limits.memory,
            queries=queries,
            namespaces=job.namespaces,
        )
        return self._cache.with_facts(_key(one, opa.title if opa else bundled_title()), one)


def bundled_title() -> str:
    """Return the bundled evaluator's name and version, for people."""
    return f"regorus {version(_BUNDLED)} (bundled)"


def _key(one: SetJob, evaluator: str) -> str:
    return json.dumps([evaluator, sorted(one.modules.items())])


def _checked(plan_json: bytes) -> bytes:
    """Return the plan, which goes to the evaluators as it is. Raises EngineError if it is not an object."""
    try:
        if isinstance(json.loads(plan_json), dict):
            return plan_json
    except ValueError as error:
        raise EngineError("the plan that was kept is not JSON") from error
    raise EngineError("the plan that was kept is not a JSON object")


def _judged(job: PolicyJob, rules: RuleSet, said: Answers, by: str) -> list[PolicyResult]:
    """Return the results of policies. A value that is not a list of messages is an error, never a pass."""
    indexed = {policy.name: policy for policy in rules.policies or ()}
    if rules.policies is None and (said.wrong or not said.policies):
        why = said.wrong or NO_POLICY
        return [PolicyResult(_THE_SET, EnforcementLevel.HARD, PolicyOutcome.ERRORED, (why,), evaluator=by)]
    files = {name: file for name, file, _ in said.policies}
    found = []
    for name in indexed or files:
        policy = indexed.get(name) or Policy(name, f"data.{name}", _level(name, job.level))
        answer = said.of(name)
        outcome, messages, count = _read(policy, answer, conventional=name not in indexed)
        seconds = float(answer.get("seconds", 0.0))
        found.append(
            PolicyResult(
                name,
                policy.level,
                outcome,
                messages,
                seconds,
                policy.description,
                files.get(name, ""),
                by,
                count if count > len(messages) else 0,
            )
        )
    return found


def _level(name: str, level: EnforcementLevel) -> EnforcementLevel:
    return EnforcementLevel.ADVISORY if _WARNS.fullmatch(name) else level


def _read(
    policy: Policy, answer: Mapping[str, Any], *, conventional: bool
) -> tuple[PolicyOutcome, tuple[str, ...], int]:
    if "error" in answer:
        return PolicyOutcome.ERRORED, (str(answer["error"])[:LONGEST_MESSAGE],), 1
    if "excepted" in answer or (conventional and "undefined" in answer):
        return PolicyOutcome.PASSED, (), 0
    if "undefined" in answer:
        why = f"{policy.query} is undefined: there is no such rule, or it has no value"
        return PolicyOutcome.ERRORED, (why,), 1
    value = answer["value"]
    if conventional and isinstance(value, dict):
        # `deny[message] if ...` makes an object of what was a set in the old syntax.
        value = [key if held is True else held for key, held in value.items()]
    if not isinstance(value, list):
        what = "an object" if isinstance(value, dict) else json.dumps(value)[:50]
        why = f"{policy.query} must give a set or an array of messages, and gives {what}"
        return PolicyOutcome.ERRORED, (why,), 1
    if not value:
        return PolicyOutcome.PASSED, (), 0
    count = int(answer.get("count", len(value)))
    return PolicyOutcome.FAILED, tuple(_message(item) for item in value[:MOST_MESSAGES]), count


def _message(item: object) -> str:
    """Return a message as text; Conftest's may be objects with the text in `msg`."""
    if isinstance(item, dict) and isinstance(item.get("msg"), str):
        item = item["msg"]
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _tested(name: str, file: str, answer: Mapping[str, Any]) -> PolicyTest:
    why = str(answer.get("error", ""))
    if not why and answer.get("value") is not True:
        why = "it is undefined" if "undefined" in answer else f"it is {json.dumps(answer['value'])[:100]}"
    return PolicyTest(name.rpartition(":")[2], file, why, float(answer.get("seconds", 0.0)))


class _Patience:
    """The watcher of what nobody watches."""

    def output(self, text: str) -> None:
        """Ignore output."""

    def tick(self) -> WatchSignal:
        """Go on."""
        return WatchSignal.GO_ON
