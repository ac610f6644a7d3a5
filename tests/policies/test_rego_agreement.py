"""What authors of policies rely on means the same by both evaluators."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.domain.policies.policy import PolicyOutcome
from bot.services.ports import PolicyResult
from tests.policies.conftest import Judge

PLAN = {
    "name": "Über <b>",
    "empty": None,
    "numbers": [3, 1, 2],
    "tags": {"owner": "net", "env": "prod"},
    "at": "2024-01-02T13:04:05Z",
    "resources": [{"type": "a", "n": 1}, {"type": "b", "n": 5}],
}

# Each condition holds in OPA with its default settings.
HOLDS = {
    "undefined is no value": "not input.plan.nothing",
    "undefined through a path": "not input.plan.nothing.more[3].deep",
    "null is a value": "input.plan.empty == null",
    "a comparison with undefined": "not input.plan.nothing == false",
    "every": "every n in input.plan.numbers { n > 0 }",
    "every of nothing": "every n in [] { n > 0 }",
    "some in": 'some r in input.plan.resources; r.type == "b"; r.n == 5',
    "some key, value in": 'some key, value in input.plan.tags; key == "env"; value == "prod"',
    "in": "3 in input.plan.numbers",
    "not in": "not 7 in input.plan.numbers",
    "array comprehension": "[n | some n in input.plan.numbers; n > 1] == [3, 2]",
    "set comprehension": "{n | some n in input.plan.numbers} == {1, 2, 3}",
    "object comprehension": '{v: k | some k, v in input.plan.tags} == {"net": "owner", "prod": "env"}',
    "iteration with _": "input.plan.numbers[_] == 2",
    "destructuring": "[a, b] := [1, 2]; a + b == 3",
    "sets": "{1, 2} & {2, 3} == {2}; {1} | {2} == {1, 2}; {1, 2} - {2} == {1}",
    "a default": "data.main.level == 3",
    "a partial object": "data.main.sizes.b == 5",
    "a partial set": 'data.main.kinds == {"a", "b"}',
    "else": 'data.main.size(5) == "large"; data.main.size(1) == "small"',
    "a function by several rules": 'data.main.sign(-1) == "minus"; data.main.sign(1) == "plus"',
    "with on data": "data.main.level_of_data == 9 with data.given as 9",
    "with on a function": "data.main.counted == 99 with count as data.main.many",
    "with on input": 'data.main.shout == "HO" with input as {"plan": {"name": "ho"}}',
    "with on a rule's value": 'data.main.shout == "HI" with input as data.main.other_input',
    "sprintf": 'sprintf("%s has %d of %v, %.1f%%", ["x", 3, ["a"], 2.5]) == "x has 3 of [\\"a\\"], 2.5%"',
    "sprintf of what a built-in gave": 'sprintf("%s!", [concat(", ", ["a", "b"])]) == "a, b!"',
    "regex": 'regex.match(`^\\w+\\.tf$`, "main.tf"); not regex.match(`^\\d+$`, "x1")',
    "regex replace": 'regex.replace("abc", "b", "x") == "axc"',
    "time": 'time.weekday(time.parse_rfc3339_ns(input.plan.at)) == "Tuesday"',
    "time in a zone": 'time.clock([time.parse_rfc3339_ns(input.plan.at), "Europe/Berlin"]) == [14, 4, 5]',
    "json": 'json.unmarshal(json.marshal({"a": [1]})) == {"a": [1]}',
    "object.get": 'object.get(input.plan, ["tags", "nope"], "none") == "none"',
    "object.get of null": 'object.get(input.plan, "empty", 1) == null',
    "walk": 'some path, value; walk(input.plan, [path, value]); value == "net"; path == ["tags", "owner"]',
    "strings": 'startswith("abc", "a"); contains("abc", "b"); upper("a") == "A"; split("a", ",") == ["a"]',
    "letters beyond ASCII": 'input.plan.name == "\\u00dcber \\u003cb\\u003e"',
    "numbers": "7 / 2 == 3.5; 7 % 2 == 1; abs(-3) == 3; round(2.5) == 3; sum([1, 2]) == 3; max([1, 3]) == 3",
    "integers and floats": "1 == 1.0",
    "union of all": "union({{1}, {2}}) == {1, 2}",
    "raw strings": '`a\\n` == "a\\\\n"',
}

MAIN = """package main

import rego.v1

default level := 3

level := 4 if input.plan.nothing

sizes[r.type] := r.n if some r in input.plan.resources

kinds contains r.type if some r in input.plan.resources

size(n) := "large" if n > 3
else := "small"

sign(n) := "minus" if n < 0

sign(n) := "plus" if n > 0

level_of_data := data.given

counted := count(input.plan.numbers)

many(_) := 99

shout := upper(input.plan.name)

other_input := {"plan": {"name": "hi"}}
"""


@pytest.fixture(scope="session")
def said(judge: Judge) -> dict[str, PolicyResult]:
    """What each condition gives, all judged as one set: a message where it holds."""
    rules = [
        f'h{number} contains "holds" if {{\n\t{condition.replace("; ", chr(10) + chr(9))}\n}}'
        for number, condition in enumerate(HOLDS.values())
    ]
    index = [f'policy "h{number}" {{\n  query = "data.checks.h{number}"\n}}' for number in range(len(HOLDS))]
    files = {
        "policies.hcl": "\n".join(index),
        "main.rego": MAIN,
        "checks.rego": "package checks\n\n" + "\n\n".join(rules),
    }
    found: Sequence[PolicyResult] = judge(files, PLAN)
    return dict(zip(HOLDS, found, strict=True))


@pytest.mark.parametrize("name", HOLDS)
def test_it_holds_as_in_opa(said: dict[str, PolicyResult], name: str) -> None:
    assert (said[name].outcome, said[name].messages) == (PolicyOutcome.FAILED, ("holds",))
