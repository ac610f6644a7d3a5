"""Reading sets: HashiCorp's index, the same in YAML, Conftest's convention; and what is refused, and why."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from bot.domain.errors import Invalid
from bot.domain.policy import Level, Outcome
from bot.domain.policy_sets import PolicyLimits
from bot.policies import RegoEngine, child
from bot.policies.child import Child
from bot.policies.hcl import read_blocks
from bot.services.ports import Stop
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.policies.conftest import Judge

EXAMPLES = Path(__file__).parents[2] / "examples" / "policies"
DENY = 'package terraform.deny\n\ndeny contains "no" if input.plan.bad\n'
HCL = """# the public format
policy "one" {
  query             = "data.terraform.deny.deny"   // a comment
  enforcement_level = "mandatory"
  description       = <<-EOT
    Two
    lines
  EOT
}
"""
YAML = """policies:
  - name: one
    query: data.terraform.deny.deny
    enforcement_level: soft-mandatory
    description: In YAML
"""


@pytest.mark.parametrize("index", [{"policies.hcl": HCL}, {"policies.yml": YAML}])
def test_an_index_in_hcl_and_in_yaml_say_the_same(judge: Judge, index: dict[str, str]) -> None:
    for bad, outcome in ((True, Outcome.FAILED), (False, Outcome.PASSED)):
        (one,) = judge({**index, "deny.rego": DENY}, {"bad": bad})
        assert (one.policy, one.level, one.outcome, one.file) == ("one", Level.SOFT, outcome, "deny.rego")


def test_conftests_rules_are_found_and_see_the_plan_itself(judge: Judge) -> None:
    rules = """package main

deny contains "from deny" if input.bad

violation contains {"msg": "from violation", "details": {}} if input.bad

warn_size contains "from warn" if count(input.resource_changes) > 0

helper := 1
"""
    found = judge({"a.rego": rules}, {"bad": True, "resource_changes": [1]}, level=Level.HARD)
    assert [(one.policy, one.level, one.messages) for one in found] == [
        ("deny", Level.HARD, ("from deny",)),
        ("violation", Level.HARD, ("from violation",)),
        ("warn_size", Level.ADVISORY, ("from warn",)),
    ]


def test_data_lies_under_its_folders(judge: Judge) -> None:
    files = {
        "a.rego": 'package main\n\ndeny contains data.limits.aws.most if data.top.list[1] == "b"\n',
        "top.yaml": "top: {list: [a, b]}\n",
        "limits/aws/values.json": '{"most": "7"}',
    }
    assert judge(files)[0].messages == ("7",)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ('deny[msg] { msg := "x" }', "old syntax (v0)"),
        ('deny["x"] { true }', "old syntax (v0)"),
        ("default allow = false\nallow { input.x }\ndeny contains 1 if true", "old syntax (v0)"),
        ('deny contains "x" if http.send({"method": "get", "url": "http://x"})', "no function http.send"),
        ('deny contains "x" if { false; net.cidr_contains("a", "b") }', "no function net.cidr_contains"),
        ('deny contains "x" if semver.compare("1.0.0", "2.0.0") < 0', "no function semver.compare"),
        ('deny contains "x" if mispelt(1)', "no function mispelt"),
        ('deny contains "x" if {', "is no valid Rego"),
        ('deny := "x"', "must give a set or an array of messages"),
        ('deny[x] if some x in ["a"]', "must give a set or an array of messages, and gives an object"),
        ("deny := x if { x := 1; input.nothing }", "is undefined"),
        ('deny := ["a"] if true\ndeny := ["b"] if true', "must not produce multiple outputs"),
        ("deny contains 1 / 0 if true", "divide by zero"),
        (
            'deny contains "x" if changes > 3',
            "line 3: nothing gives changes a value",
        ),
        ('deny contains "x" if {\n\tsome r in resources\n\tr.bad\n}', "nothing gives resources a value"),
        ('deny contains "x" if not inptu.fine', "nothing gives inptu.fine a value"),
        ("deny contains message if true", "nothing gives message a value"),
        ('deny contains to_number("x") if true', "invalid syntax"),
        ('deny contains sprintf("%d", ["x"]) if true', "sprintf"),
    ],
    ids=lambda value: value if " " in value and len(value) < 50 else "rules",
)
def test_what_cannot_be_evaluated_is_an_error_and_never_passes(judge: Judge, rules: str, why: str) -> None:
    found = judge({"a.rego": f"package main\n\n{rules}\n"})
    (deny,) = [one for one in found if one.policy == "deny"]
    assert deny.outcome is Outcome.ERRORED
    assert why in deny.messages[0]


def test_names_that_have_a_value_are_let_be(judge: Judge) -> None:
    rules = """package main

import data.other.limit as most

deny contains msg if {
	some index, _ in input.names
	input.names[any_one] == "X"
	[first, second] := ["a", "b"]
	{"key": value} = {"key": 1}
	helper(first)
	limits.n > 0
	msg := sprintf("%v %v", [index, time.now_ns() > 0])
}

helper(unused) := true

limits := {"n": 3}

violation contains "v" if 1 = bound
"""
    other = "package other\n\nlimit := 3\n"
    found = judge({"a.rego": rules, "b.rego": other}, {"names": ["X"]})
    assert [one.outcome for one in found] == [Outcome.FAILED, Outcome.FAILED], found


def test_a_message_that_cannot_be_formatted_still_denies(judge: Judge) -> None:
    """In OPA sprintf never fails; and a wrong type before it leads to a second, lenient round."""
    rules = """package main

deny contains sprintf("%d things", [n]) if {
	some n in input.names
	lower(n) == "x"
}
"""
    (deny,) = judge({"a.rego": rules}, {"names": [None, "X"]})
    assert (deny.outcome, deny.messages) == (Outcome.FAILED, ('%d things ["X"]',))


def test_only_policies_that_use_what_is_wrong_are_errors(judge: Judge) -> None:
    files = {
        "policies.hcl": "\n".join(
            f'policy "{name}" {{\n query = "data.{name}.deny"\n}}' for name in ("good", "bad", "through")
        ),
        "good.rego": 'package good\n\ndeny contains "g" if true\n',
        "bad.rego": 'package bad\n\ndeny contains "b" if http.send({})\n\nhelp(x) := x\n',
        "through.rego": "package through\n\nimport data.bad\n\ndeny contains bad.help(1) if true\n",
    }
    assert {one.policy: one.outcome.value for one in judge(files)} == {
        "good": "failed",
        "bad": "errored",
        "through": "errored",
    }


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"policies.hcl": "policy x {}"}, "line 1"),
        ({"policies.hcl": 'policy "x" {\n  query = "data.x"\n'}, "is not closed"),
        ({"policies.hcl": 'policy "x" {\n  enforcement_level = "hard"\n  query = "data.x"\n}'}, "'hard'"),
        ({"policies.hcl": 'policy "x" {\n}'}, "has no query"),
        ({"policies.hcl": 'sentinel "x" {\n}'}, "`policy` blocks are"),
        ({"policies.yml": "policies: 3"}, "below it a list"),
        ({"policies.yml": "policies: " + "[" * 5000}, "nested too deeply"),
        ({"policies.yml": "a: &a [1]\npolicies: *a"}, "aliases"),
        ({"a.rego": "package other\n\ndeny contains 1 if true"}, "there is no policy in the set"),
        ({"a.rego": "\udcff"}, "UTF-8"),
    ],
    ids=str,
)
def test_a_set_that_cannot_be_read_stops_everything_and_says_why(
    judge: Judge, engine: RegoEngine, files: dict[str, str], why: str
) -> None:
    raw = {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}
    with pytest.raises(Invalid):
        engine.test(raw)
    if "\udcff" not in str(files.values()) and why != "UTF-8":
        (one,) = judge(files)
        assert (one.level, one.outcome) == (Level.HARD, Outcome.ERRORED)
        assert why in one.messages[0]


def test_hcl_is_read_as_it_is_written() -> None:
    (block,) = read_blocks('policy "a" {\n  query = "data.\\"x\\""\n  on = true\n  n = 3\n}\n')
    assert (block.kind, block.label, block.line) == ("policy", "a", 1)
    assert block.attributes == {"query": 'data."x"', "on": True, "n": "3"}
    with pytest.raises(Invalid, match="line 2"):
        read_blocks('policy "a" {\n  query = "${var.x}"\n}')


def test_a_set_that_takes_too_long_is_stopped_and_says_so(judge: Judge) -> None:
    hurried = PolicyLimits(seconds=2)
    endless = "some i in numbers.range(1, 9000000)\n\tsome j in numbers.range(1, 9000000)\n\ti * j == -1"
    rules = f'package main\n\ndeny_a contains "a" if true\n\ndeny_b contains "b" if {{\n\t{endless}\n}}\n'
    first, second = judge({"a.rego": rules}, limits=hurried)
    assert (first.outcome, first.messages) == (Outcome.FAILED, ("a",))
    assert (second.outcome, second.messages) == (Outcome.ERRORED, ("the set took longer than 2 seconds",))


def test_a_set_that_needs_too_much_memory_is_stopped_and_says_so(judge: Judge) -> None:
    small = PolicyLimits(memory=150 << 20)
    rules = (
        'package main\n\ndeny_a contains "a" if count(numbers.range(1, 9000000)) > 3\n\n'
        'deny_b contains "b" if true\n'
    )
    first, second = judge({"a.rego": rules}, limits=small)
    assert (first.outcome, first.messages) == (Outcome.ERRORED, ("it needs more than 150 MB of memory",))
    assert second.messages == ("b",)


def test_the_evaluator_sees_nothing_of_the_environment(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANGATE_SECRET_KEY", "very secret")
    (deny,) = judge({"a.rego": "package main\n\ndeny contains key if some key, _ in opa.runtime().env\n"})
    assert "PLANGATE_SECRET_KEY" not in deny.messages
    assert "PATH" in deny.messages


def test_a_watcher_that_says_stop_is_obeyed(engine: RegoEngine) -> None:
    from bot.domain.errors import Interrupted  # noqa: PLC0415
    from bot.services.ports import PolicyJob  # noqa: PLC0415

    class Stops:
        def output(self, text: str) -> None:
            pass

        def tick(self) -> Stop:
            return Stop.INTERRUPT

    job = PolicyJob({"a.rego": b"package main\n\ndeny contains 1 if true\n"}, Level.SOFT, b"{}", {})
    with pytest.raises(Interrupted):
        engine.judge(job, Stops())


def test_the_examples_pass_their_own_tests_and_judge(engine: RegoEngine, judge: Judge) -> None:
    files = {path.name: path.read_text() for path in EXAMPLES.iterdir()}
    tests = engine.test({name: text.encode() for name, text in files.items()})
    assert len(tests) >= 20
    assert [(test.name, test.why) for test in tests if test.why] == []
    bucket = {
        "address": "aws_s3_bucket.logs",
        "type": "aws_s3_bucket",
        "change": {"actions": ["delete"], "before": {}, "after": None, "after_unknown": {}},
    }
    found = judge(files, {"resource_changes": [bucket]}, {"created_at": "2026-01-14T09:00:00+00:00"})
    assert {one.policy: one.outcome.value for one in found} == {
        "no-destroy-of-stateful": "failed",
        "required-tags": "passed",
        "no-public-ingress": "passed",
        "allowed-regions": "passed",
        "change-size": "passed",
    }
    assert json.loads(files["settings.json"])["settings"]["required_tags"]


def test_a_test_that_fails_says_what_it_is(engine: RegoEngine) -> None:
    files = {
        "a.rego": b"package main\n\ndeny contains 1 if input.x\n",
        "a_test.rego": b"package t\ntest_a if count(data.main.deny) > 0\n\ntest_b := 3\n\ntest_c if true\n",
    }
    assert {test.name: test.why for test in engine.test(files)} == {
        "test_a": "it is undefined",
        "test_b": "it is 3",
        "test_c": "",
    }


def test_the_evaluator_is_seen_in_the_sandbox_wherever_it_is_installed(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(SandboxMode.AUTO, tmp_path / "data")
    if not sandbox.active:
        pytest.skip(sandbox.describe())
    # Below /tmp, which the sandbox hides, as it does homes.
    elsewhere = Path(tempfile.mkdtemp(prefix="plangate-", dir="/tmp")) / "evaluator.py"
    shutil.copy(child._EVALUATOR, elsewhere)
    monkeypatch.setattr(child, "_EVALUATOR", elsewhere)
    try:
        (found,) = judge(
            {"deny.rego": DENY, "policies.hcl": HCL}, {}, by=RegoEngine(Child(sandbox.closed_in))
        )
    finally:
        shutil.rmtree(elsewhere.parent)
    assert found.outcome is Outcome.PASSED, found.messages
