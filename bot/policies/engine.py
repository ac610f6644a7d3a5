"""The PolicyEngine port: prepares a set, has it evaluated in a child process, and reads what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from bot.domain.errors import EngineError, Invalid
from bot.domain.policy import Level, Outcome
from bot.domain.policy_sets import USUAL_LIMITS
from bot.policies import rego_text
from bot.policies.child import Answers, Child
from bot.policies.sets import Policy, RuleSet, read_set
from bot.services.ports import Stop, Watch
from bot.services.ports.policies import Files, Judged, PolicyJob, PolicyTest

MOST_MESSAGES = 200
LONGEST_MESSAGE = 2000
_THE_SET = "(the set)"
# No built-ins to the evaluator, which has them in its grammar.
_IN_THE_GRAMMAR = frozenset({"print", "set"})
# It gives -1 whatever it compares: better to say that there is none.
_WRONG = frozenset({"semver.compare"})
_NAMES_PLAN = re.compile(r"\bplan\b")
_FILLING = """package plangate.filling

rfc3339(text) := time.parse_rfc3339_ns(regex.replace(text, "[zZ]$", "+00:00"))

same(value) := value

plain(value) := json.unmarshal(json.marshal(value)) if is_string(value)

plain(value) := value if not is_string(value)

printed(format, values) := sprintf(format, [plain(value) | some value in values])

formatted(format, values) := text if { text := printed(format, values) }
else := concat(" ", [format, json.marshal(values)])
"""
# The evaluator's parser of times does not know `Z`, which Terraform writes. Its sprintf prints what another
# built-in gave, such as concat, with quotes around it.
_STRICT = {
    "time.parse_rfc3339_ns": "data.plangate.filling.rfc3339",
    "sprintf": "data.plangate.filling.printed",
}
# In OPA sprintf never fails: a message that can't be formatted must not make its denial vanish.
_LENIENT = {**_STRICT, "sprintf": "data.plangate.filling.formatted"}


class RegoEngine:
    """Judges plans by Rego, each set in a child process with limits of its own."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def judge(self, job: PolicyJob, watch: Watch) -> Sequence[Judged]:
        """Judge a plan by every policy of a set."""
        try:
            rules = read_set(job.files, job.level, _known)
        except Invalid as error:
            # Which policies it has is not known, so one of them might have been hard-mandatory.
            return [Judged(_THE_SET, Level.HARD, Outcome.ERRORED, (str(error),))]
        sound = [policy for policy in rules.policies if not policy.wrong]
        queries = {policy.name: policy.query for policy in sound}
        answers = self._ask(rules, queries, job, watch) if sound else Answers({})
        return [_judged(policy, answers) for policy in rules.policies]

    def _ask(self, rules: RuleSet, queries: Mapping[str, str], job: PolicyJob, watch: Watch) -> Answers:
        return self._child.ask(_asked(rules, queries, _input(job, rules)), job.limits, watch)

    def test(self, files: Files) -> Sequence[PolicyTest]:
        """Run the rules named `test_...` of a set. Raises Invalid where the set can't be read at all."""
        rules = read_set(files, Level.SOFT, _known)
        modules = {**rules.modules, **rules.tests}
        found = {
            f"data.{rego_text.package(source)}.{rule}": path
            for path, source in modules.items()
            for rule in rego_text.rules(source)
            if rule.startswith("test_")
        }
        if bad := next((policy for policy in rules.policies if policy.wrong), None):
            raise Invalid(bad.wrong)
        whole = RuleSet(rules.policies, modules, rules.data)
        asked = _asked(whole, {_READABLE: _READABLE, **{query: query for query in found}}, "{}")
        answers = self._child.ask(asked, USUAL_LIMITS, _Patience())
        if "error" in (readable := answers.of(_READABLE)):
            raise Invalid(f"the set can't be evaluated: {readable['error']}")
        return [_tested(query, path, answers) for query, path in found.items()]


# What is true of any set whose files the evaluator can read.
_READABLE = "true"


@cache
def _known(name: str) -> bool:
    """Whether the evaluator has a built-in; loaded only where there are policies."""
    from regopy import Interpreter  # noqa: PLC0415 -- a large library that most commands never need

    there = name in _IN_THE_GRAMMAR or bool(Interpreter().is_builtin(name))
    return there and name not in _WRONG


def _asked(rules: RuleSet, queries: Mapping[str, str], document: str) -> dict[str, Any]:
    moved = any(rego_text.replaces_input(source) for source in rules.modules.values())

    def all_of(instead: Mapping[str, str]) -> dict[str, str]:
        texts = {p: rego_text.rewritten(s, instead, moved=moved) for p, s in rules.modules.items()}
        return {"plangate/filling.rego": _FILLING, **texts}

    return {
        "modules": all_of(_STRICT),
        "lenient_modules": all_of(_LENIENT),
        "data": dict(rules.data),
        "input": document,
        "moved": rego_text.MOVED if moved else "",
        "queries": [
            {"name": name, "query": rego_text.rewritten(query, _STRICT, moved=moved)}
            for name, query in queries.items()
        ],
    }


def _input(job: PolicyJob, rules: RuleSet) -> str:
    """Return the input as JSON, written anew: the evaluator takes Terraform's `\\u003c` for another text."""
    try:
        plan = json.loads(job.plan_json)
    except ValueError as error:
        raise EngineError("the plan that was kept is no JSON") from error
    document = {"plan": plan, "run": job.run}
    if rules.bare_input:
        # A plan may be large, and reading it is what takes long: it is there twice only for who names both.
        twice = any(_NAMES_PLAN.search(source) for source in rules.modules.values())
        document = {**plan, "run": job.run, **({"plan": plan} if twice else {})}
    return json.dumps(document, ensure_ascii=False)


def _judged(policy: Policy, answers: Answers) -> Judged:
    """Return what a policy said. Whatever is not clearly a list of messages is an error, never a pass."""
    answer = {"error": policy.wrong} if policy.wrong else answers.of(policy.name)
    seconds = float(answer.get("seconds", 0.0))
    outcome, messages = _read(policy, answer)
    return Judged(policy.name, policy.level, outcome, messages, seconds, policy.description, policy.file)


def _read(policy: Policy, answer: Mapping[str, Any]) -> tuple[Outcome, tuple[str, ...]]:
    if "error" in answer:
        return Outcome.ERRORED, (str(answer["error"]),)
    if "undefined" in answer:
        return Outcome.ERRORED, (f"{policy.query} is undefined: there is no such rule, or it has no value",)
    value = answer["value"]
    if not isinstance(value, list):
        what = "an object" if isinstance(value, dict) else json.dumps(value)[:50]
        return Outcome.ERRORED, (f"{policy.query} must give a set or an array of messages, and gives {what}",)
    if not value:
        return Outcome.PASSED, ()
    messages = [_message(item) for item in value[:MOST_MESSAGES]]
    if len(value) > MOST_MESSAGES:
        messages.append(f"… and {len(value) - MOST_MESSAGES} more")
    return Outcome.FAILED, tuple(messages)


def _message(item: object) -> str:
    """Return a message as text; Conftest's may be objects with the text in `msg`."""
    if isinstance(item, dict) and isinstance(item.get("msg"), str):
        item = item["msg"]
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _tested(query: str, path: str, answers: Answers) -> PolicyTest:
    answer = answers.of(query)
    why = str(answer.get("error", ""))
    if not why and answer.get("value") is not True:
        why = "it is undefined" if "undefined" in answer else f"it is {json.dumps(answer['value'])[:100]}"
    return PolicyTest(query.rpartition(".")[2], path, why, answer.get("seconds", 0.0))


class _Patience:
    """The watcher of what nobody watches."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> Stop:
        """Go on."""
        return Stop.GO_ON
