"""Reading sets: HashiCorp's index, the same in YAML, Conftest's convention; and what is refused, and why."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from bot.domain.errors import Invalid
from bot.domain.policies.policy import EnforcementLevel, PolicyOutcome
from bot.domain.policies.sets import PolicyLimits
from bot.policies import RegoEngine, child
from bot.policies.child import Child
from bot.policies.engine import bundled_title
from bot.policies.hcl import read_blocks
from bot.services.ports import PolicyJob, WatchSignal
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.policies.conftest import Judge, Patience, judging
from tests.support.opa import VERSION, opa_or_skip

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
    for bad, outcome in ((True, PolicyOutcome.FAILED), (False, PolicyOutcome.PASSED)):
        (one,) = judge({**index, "deny.rego": DENY}, {"bad": bad})
        assert (one.policy, one.level, one.outcome, one.file) == (
            "one",
            EnforcementLevel.SOFT,
            outcome,
            "deny.rego",
        )


def test_conftests_rules_are_found_and_see_the_plan_itself(judge: Judge) -> None:
    rules = """package main

deny contains "from deny" if input.bad

violation contains {"msg": "from violation", "details": {}} if input.bad

warn_size contains "from warn" if count(input.resource_changes) > 0

helper := 1
"""
    found = judge({"a.rego": rules}, {"bad": True, "resource_changes": [1]}, level=EnforcementLevel.HARD)
    assert [(one.policy, one.level, one.messages) for one in found] == [
        ("deny", EnforcementLevel.HARD, ("from deny",)),
        ("violation", EnforcementLevel.HARD, ("from violation",)),
        ("warn_size", EnforcementLevel.ADVISORY, ("from warn",)),
    ]


def test_data_lies_under_its_folders(judge: Judge) -> None:
    files = {
        "a.rego": 'package main\n\ndeny contains data.limits.aws.most if data.top.list[1] == "b"\n',
        "top.yaml": "top: {list: [a, b]}\n",
        "limits/aws/values.json": '{"most": "7"}',
    }
    assert judge(files)[0].messages == ("7",)


# The words are those of whichever evaluator it was.
WRONG = {
    'deny[msg] { msg := "x" }': "keyword is required",
    'deny["x"] { true }': "keyword is required",
    "default allow = false\nallow { input.x }\ndeny contains 1 if true": "keyword is required",
    'deny contains "x" if http.send({"method": "get", "url": "http://x"})': "function http.send",
    'deny contains "x" if { false; http.send({}) }': "function http.send",
    'deny contains "x" if { some k, _ in opa.runtime().env }': "function opa.runtime",
    'deny contains "x" if net.lookup_ip_addr("localhost")': "function net.lookup_ip_addr",
    'deny contains "x" if { false; no.such_function("a", "b") }': "function no.such_function",
    'deny contains "x" if mispelt(1)': "function mispelt",
    'deny contains "x" if data.lib.nothing(1)': "function data.lib.nothing",
    'deny contains "x" if {': "a.rego, line ",
    'deny := "x"': "must give a set or an array of messages",
    "deny if true": "must give a set or an array of messages, and gives true",
    'deny := ["a"] if true\ndeny := ["b"] if true': "conflict",
    "deny contains 1 / 0 if true": "divide by zero",
    'deny contains "x" if changes > 3': "var changes is unsafe",
    'deny contains "x" if { input.nothing; changes > 3 }': "var changes is unsafe",
    'deny contains "x" if {\n\tsome r in resources\n\tr.bad\n}': "var resources is unsafe",
    'deny contains "x" if not inptu.fine': "var inptu is unsafe",
    "deny contains message if true": "var message is unsafe",
    'deny contains "x" if { some i; not input.xs[i].fine }': "var i is unsafe",
    'deny contains "x" if { some i; true }': "declared var i unused",
    'deny contains to_number("x") if true': "to_number",
    "deny contains lower(input.name) if true": "lower",
    'deny contains "x" if { input.nothing; lower(3) }': "lower",
    'deny contains "x" if count(input.xs) == "3"': "",
    'a if b\nb if a\ndeny contains "x" if { input.nothing; a }': "is recursive",
    'deny contains "x"\ndeny := ["x"]': "",
    'a contains 1\na := 2\ndeny contains "x" if input.nothing': "",
}


@pytest.mark.parametrize("rules", WRONG)
def test_what_cannot_be_evaluated_is_an_error_and_never_passes(judge: Judge, rules: str) -> None:
    (deny,) = judge({"a.rego": f"package main\n\n{rules}\n"}, {"name": 3, "xs": [{}]})
    assert deny.outcome is PolicyOutcome.ERRORED
    assert WRONG[rules] in deny.messages[0]


def test_a_module_that_cannot_be_read_may_hide_any_policy(judge: Judge) -> None:
    files = {
        "a.rego": "package main\n\nwarn contains 1 if false\n",
        "b.rego": "package main\n\ndeny contains",
    }
    (one,) = judge(files, level=EnforcementLevel.HARD)
    assert (one.policy, one.level, one.outcome) == ("(the set)", EnforcementLevel.HARD, PolicyOutcome.ERRORED)


def test_names_that_have_a_value_are_let_be(judge: Judge) -> None:
    rules = """package main

import data.other.limit as most

deny contains msg if {
	some index, _ in input.names
	input.names[any_one] == "X"
	[first, second] := ["a", "b"]
	helper(first)
	limits.n > 0
	most == 3
	second == "b"
	any_one == 0
	msg := sprintf("%v %v", [index, time.now_ns() > 0])
}

helper(unused) := true

limits := {"n": 3}

violation contains "v" if 1 = bound
"""
    other = "package other\n\nlimit := 3\n"
    found = judge({"a.rego": rules, "b.rego": other}, {"names": ["X"]})
    assert [one.outcome for one in found] == [PolicyOutcome.FAILED, PolicyOutcome.FAILED], found


def test_data_never_stands_for_a_rule(judge: Judge) -> None:
    rules = 'package main\n\ndeny contains "no" if true\n'
    for path, data in {
        "main.json": '{"main": {"deny": []}}',
        "main/deny.yaml": "deny: []",
        "all.json": '{"main": []}',
    }.items():
        (one,) = judge({"a.rego": rules, path: data}, level=EnforcementLevel.HARD)
        assert (one.outcome, one.level) == (PolicyOutcome.ERRORED, EnforcementLevel.HARD), path


def test_a_condition_by_an_index_that_is_bound_in_a_call_is_seen(judge: Judge) -> None:
    rules = """package main

deny contains "index" if { some i; endswith(input.containers[i].image, ":latest") }

violation contains "wildcard" if endswith(input.containers[_].image, ":latest")

warn contains "member" if { some i; "delete" in input.containers[i].actions }
"""
    plan = {"containers": [{"image": "a:1"}, {"image": "b:latest", "actions": ["delete"]}]}
    found = judge({"a.rego": rules}, plan)
    assert {one.policy: one.messages for one in found} == {
        "deny": ("index",),
        "violation": ("wildcard",),
        "warn": ("member",),
    }


def test_a_head_without_a_value_ends_nothing_but_its_own_element(judge: Judge) -> None:
    rules = 'package main\n\ndeny contains r.name if { some r in input.all; r.kind == "a" }\n'
    plan = {"all": [{"kind": "a", "name": "one"}, {"kind": "a"}, {"kind": "a", "name": "two"}]}
    assert judge({"a.rego": rules}, plan)[0].messages == ("one", "two")


def test_what_is_negated_is_computed_before(judge: Judge) -> None:
    rules = """package main

fine if not startswith(input.nothing, "a")

deny contains "no name" if not fine

violation contains "still none" if not input.nothing == "a"
"""
    found = judge({"a.rego": rules})
    assert [one.messages for one in found] == [("no name",), ("still none",)]


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
        ({"a.rego": "\udcff"}, "UTF-8"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else str(value)[:40],
)
def test_a_set_that_cannot_be_read_stops_everything_and_says_why(
    judge: Judge, engine: RegoEngine, files: dict[str, str], why: str
) -> None:
    raw = {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}
    with pytest.raises(Invalid):
        engine.test(raw)
    if "\udcff" not in str(files.values()) and why != "UTF-8":
        (one,) = judge(files)
        assert (one.level, one.outcome) == (EnforcementLevel.HARD, PolicyOutcome.ERRORED)
        assert why in one.messages[0]


def test_hcl_is_read_as_it_is_written() -> None:
    (block,) = read_blocks('policy "a" {\n  query = "data.\\"x\\""\n  on = true\n  n = 3\n}\n')
    assert (block.kind, block.label, block.line) == ("policy", "a", 1)
    assert block.attributes == {"query": 'data."x"', "on": True, "n": "3"}
    with pytest.raises(Invalid, match="line 2"):
        read_blocks('policy "a" {\n  query = "${var.x}"\n}')


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            'policy "x" {\n  query = "data.x\n  enforcement_level = "advisory"\n}',
            "line 2: the text is not closed",
        ),
        ('policy "x" {\n  query = "data.x\n}\n', "line 2: the text is not closed"),
        ('policy "x" {\n  query = "data.x\n"\n}\n', "line 2: the text is not closed on its line"),
        ('\npolicy "x" {\n  query = "data.x"\n', "line 2: the block is not closed: write the missing `}`"),
        ('policy "x" {\n  query data.x\n}', 'line 2: found `.x`, expected `name = "text"`'),
        (
            'policy "x" {\n  query = data.x\n}',
            'line 2: query must be a text in quotes: write `query = "text"`',
        ),
        ('policy "x" {\n  query = ["data.x"]\n}', "line 2: query must be a text"),
        ('policy "x" {\n  query = upper("x")\n}', "line 2: query must be a text"),
        ('policy "x" {\n  query = null\n}', "line 2: query must be a text"),
        ('policy "x" {\n  query = "a %{ if x }b%{ endif }"\n}', "line 2: a text with ${...} or %{...}"),
        ('policy "x" {\n  query = <<E\n${a}\nE\n}', "line 2: a text with ${...} or %{...}"),
        ('policy "x" {\n  query = <<E\nnever ends\n}', "line 2: found `<<E`"),
        ('policy "x" {\n  a = 1\n  a = 2\n}', "line 3: a is set twice in the block 'x'"),
        ('policy "x" {\n  more {\n  }\n}', "line 2: expected `name"),
        ('policy "x" "y" {\n}', "line 1: a block has one name"),
        ("\npolicy {\n}", "line 2: a block has one name"),
        ("a = 1", "line 1: expected a block"),
        ("\n@", "line 2: found `@`, expected a block"),
        ("}", "line 1: found `}`, expected a block"),
        ('policy "x" {\n a = "\\Uffffffff"\n}', "line 2: the text has an invalid escape"),
        ('policy "x" {\n a = "\\ud800"\n}', "line 2: the text has an invalid escape: `\\ud800`"),
        ('policy "x" {\n a = "\\d"\n}', "line 2: the text has an invalid escape: `\\d`"),
    ],
)
def test_hcl_that_cannot_be_read_is_refused_with_its_line_and_what_to_write(source: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_blocks(source)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "a = " + "[" * 6_000 + "]" * 6_000,
        "a = " + "(" * 90_000,
        "a = " + "1+" * 40_000 + "1",
        "a {" * 30_000,
        'a = "' + "${" * 40_000,
        'a = "' + "$" * 90_000,
        "a = <<A\n" + "\n" * 90_000,
        "a = <<A\n" + ("\n" * 199 + "x") * 400,
        "/*" * 40_000,
        "a " * 40_000,
        "x" * 200_000,
        "\x00",
        "\ud800",
    ],
    ids=lambda source: ascii(source[:8]),
)
def test_hostile_hcl_is_refused_and_does_not_crash(source: str) -> None:
    with pytest.raises(Invalid, match=r"^line \d+: "):
        read_blocks(source)


def test_what_hcl_allows_in_a_text_is_read_as_its_value() -> None:
    source = (
        'policy "a" {\n  one = "tab\\t \\u00e9 $${x} %%{y}"\n  two = <<-E\n    a\n      b "c" $${d}\n  E\n'
        "  /* no */ f = 1.5 # no\n  off = false\r\n}\n"
    )
    (block,) = read_blocks(source)
    assert block.attributes == {
        "one": "tab\t é ${x} %{y}",
        "two": 'a\n  b "c" ${d}',
        "f": "1.5",
        "off": False,
    }
    assert read_blocks("") == read_blocks("# nothing\n") == ()
    assert [b.line for b in read_blocks('policy "a" {}\n\n# two\npolicy "b" {\n}\n')] == [1, 4]


@pytest.mark.parametrize("character", ["\\u0000", "\\ud800"])
@pytest.mark.parametrize("index", ["policies.hcl", "policies.yml"])
def test_a_character_that_no_database_keeps_is_refused(judge: Judge, index: str, character: str) -> None:
    text = {
        "policies.hcl": f'policy "x" {{\n  query = "data.x"\n  description = "{character}"\n}}',
        "policies.yml": f'policies: [{{name: x, query: data.x, description: "{character}"}}]',
    }[index]
    (one,) = judge({index: text})
    assert one.outcome is PolicyOutcome.ERRORED
    assert "invalid escape" in one.messages[0] or "not text" in one.messages[0]


ENDLESS = """{
	some i in numbers.range(1, 9000000)
	some j in numbers.range(1, 9000000)
	i * j == -1
}"""


def test_a_set_that_takes_too_long_is_stopped_and_says_so(judge: Judge) -> None:
    hurried = PolicyLimits(seconds=2)
    rules = f'package main\n\ndeny_a contains "a" if true\n\ndeny_b contains "b" if {ENDLESS}\n'
    _, second = judge({"a.rego": rules}, limits=hurried)
    assert (second.outcome, second.messages) == (
        PolicyOutcome.ERRORED,
        ("the set took longer than 2 seconds",),
    )


def test_a_set_that_takes_too_long_costs_the_others_nothing(engine: RegoEngine) -> None:
    slow = PolicyJob(
        {"a.rego": f"package main\n\ndeny contains 1 if {ENDLESS}\n".encode()},
        EnforcementLevel.SOFT,
        b"{}",
        {},
        PolicyLimits(seconds=1),
    )
    quick = PolicyJob(
        {"a.rego": b'package main\n\ndeny contains "x" if true\n'}, EnforcementLevel.SOFT, b"{}", {}
    )
    first, second = engine.judge([slow, quick], Patience())
    assert first[0].outcome is PolicyOutcome.ERRORED
    assert second[0].messages == ("x",)


def test_a_set_that_needs_too_much_memory_is_stopped_and_says_so(judge: Judge) -> None:
    small = PolicyLimits(memory=128 << 20)
    rules = """package main

deny_a contains "a" if count([x | some i in numbers.range(1, 3000000); x := sprintf("%d %d", [i, i])]) > 3

deny_b contains "b" if true
"""
    first, second = judge({"a.rego": rules}, limits=small)
    assert (first.outcome, first.messages) == (
        PolicyOutcome.ERRORED,
        ("it needs more than 128 MB of memory",),
    )
    assert second.messages == ("b",)


def test_endless_recursion_in_texts_is_an_error(judge: Judge) -> None:
    deep = "[" * 6_000 + "]" * 6_000
    (one,) = judge({"a.rego": f"package main\n\ndeny contains {deep} if true\n"})
    assert one.outcome is PolicyOutcome.ERRORED


def test_policies_read_no_files_of_the_server(judge: Judge, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"secret": 1}')
    for path in (f"../{secret}", str(secret), "../../../../../../etc/passwd"):
        (one,) = judge({"a.rego": "package main\n\ndeny contains 1 if data.secret\n", f"{path}.json": "{}"})
        assert one.outcome is not PolicyOutcome.FAILED


def test_ten_thousand_messages_are_kept_and_all_are_counted(judge: Judge) -> None:
    rules = 'package main\n\ndeny contains sprintf("%d", [i]) if some i in numbers.range(1, 10500)\n'
    (one,) = judge({"a.rego": rules})
    assert (len(one.messages), one.count) == (10_000, 10_500)
    rules = rules.replace("10500", "10000")
    (one,) = judge({"a.rego": rules})
    assert (len(one.messages), one.count) == (10_000, 0)


def test_a_set_may_require_opa(bundled: RegoEngine) -> None:
    (one,) = judging(bundled)({"a.rego": DENY.replace("terraform.deny", "main")}, needs_opa=True)
    assert (one.level, one.outcome) == (EnforcementLevel.HARD, PolicyOutcome.ERRORED)
    assert "requires OPA" in one.messages[0]


def test_each_says_by_what_it_was_judged(opa: RegoEngine, bundled: RegoEngine) -> None:
    files = {"a.rego": "package main\n\ndeny contains 1 if false\n"}
    assert judging(opa)(files)[0].evaluator == f"OPA {VERSION}"
    assert judging(bundled)(files)[0].evaluator == bundled_title()


def test_a_watcher_that_says_stop_is_obeyed(engine: RegoEngine) -> None:
    from bot.domain.errors import Interrupted  # noqa: PLC0415

    class Stops:
        def output(self, text: str) -> None:
            pass

        def tick(self) -> WatchSignal:
            return WatchSignal.INTERRUPT

    job = PolicyJob(
        {"a.rego": b"package main\n\ndeny contains 1 if true\n"}, EnforcementLevel.SOFT, b"{}", {}
    )
    with pytest.raises(Interrupted):
        engine.judge([job], Stops())


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
    engine: RegoEngine, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(SandboxMode.AUTO)
    if not sandbox.active:
        pytest.skip(sandbox.describe())
    # Below /tmp, which the sandbox hides, as it does homes.
    elsewhere = Path(tempfile.mkdtemp(prefix="plangate-", dir="/tmp")) / "inside"
    shutil.copytree(child._INSIDE, elsewhere)
    monkeypatch.setattr(child, "_INSIDE", elsewhere)
    programs = None if engine.evaluator() == bundled_title() else opa_or_skip()
    closed_in = RegoEngine(Child(sandbox.closed_in), programs)
    try:
        (found,) = judge({"deny.rego": DENY, "policies.hcl": HCL}, {}, by=closed_in)
    finally:
        shutil.rmtree(elsewhere.parent)
    assert found.outcome is PolicyOutcome.PASSED, found.messages


HCL_OF_MAIN = 'policy "a" {\n  query = "data.main.deny"\n}\n'


def test_a_large_plan_fits_into_the_sandbox(engine: RegoEngine) -> None:
    sandbox = Sandbox(SandboxMode.AUTO)
    if not sandbox.active:
        pytest.skip(sandbox.describe())
    programs = None if engine.evaluator() == bundled_title() else opa_or_skip()
    plan = json.dumps({"padding": "x" * (17 << 20)}).encode()
    rules = 'package main\n\ndeny contains "long" if count(input.padding) > 1000\n'
    indexed = {"a.rego": rules.replace("input.", "input.plan."), "policies.hcl": HCL_OF_MAIN}
    sets = [{"a.rego": rules}, indexed, {"a.rego": rules + "\n# plan\n"}]
    jobs = [
        PolicyJob({path: text.encode() for path, text in files.items()}, EnforcementLevel.SOFT, plan, {})
        for files in sets
    ]
    found = RegoEngine(Child(sandbox.closed_in), programs).judge(jobs, Patience())
    assert [[one.messages for one in each] for each in found] == [[("long",)]] * 3
