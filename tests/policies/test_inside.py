"""What the bundled evaluator is given: rules in OPA's form, data as OPA reads it, OPA's functions."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.policies.engine import RegoEngine
from bot.policies.facts_cache import FactsCache
from bot.policies.inside import bundled, functions
from bot.policies.inside.data_files import Differs, conflict, read_data
from bot.policies.inside.job import ModuleFacts, SetFacts, SetJob
from bot.policies.inside.rewriting import rewritten
from tests.policies.conftest import judging


@pytest.mark.parametrize(
    ("rule", "form"),
    [
        (
            "deny contains r.x if some r in input.xs",
            "deny contains plangate_head_0 if { some r in input.xs; plangate_head_0 := r.x }",
        ),
        ('deny contains "x" if input.a == "b"', 'deny contains "x" if input.a == "b"'),
        (
            'deny contains r.x if { r := input.a; r.t == "b" } # end',
            'deny contains plangate_head_0 if { r := input.a; r.t == "b"; plangate_head_0 := r.x } # end',
        ),
        (
            'deny contains r if "x" in input.a',
            'deny contains r if "x" in input.a',
        ),
        (
            'deny contains lower("A") if "x" in ["y", "x"]',
            'deny contains plangate_head_0 if { "x" in ["y", "x"]; plangate_head_0 := lower("A") }',
        ),
        (
            'deny contains lower("A") if input.a == "x"',
            'deny contains plangate_head_0 if { input.a == "x"; plangate_head_0 := lower("A") }',
        ),
        (
            'deny contains upper(`b`) if { `a`; not "x" in f("y") }',
            'deny contains plangate_head_0 if { `a`; plangate_not_0_0 := f("y"); '
            'not "x" in plangate_not_0_0; plangate_head_0 := upper(`b`) }',
        ),
        ("p := input.a.b", "p := plangate_head_0 if { plangate_head_0 := input.a.b }"),
        (
            'p if not startswith(input.a, "x")',
            'p if { plangate_not_0_0 := input.a; not startswith(plangate_not_0_0, "x") }',
        ),
        ("p if not input.a == 1", "p if not input.a == 1"),
        (
            'p if { not input.a in ["x"] with input.a as "y"; true }',
            'p if { plangate_not_0_0 := input.a with input.a as "y"; '
            'not plangate_not_0_0 in ["x"] with input.a as "y"; true }',
        ),
        (
            "f(x) := x.a if x.b else := x.c if { x.d }",
            "f(x) := plangate_head_0 if { x.b; plangate_head_0 := x.a } "
            "else := plangate_head_0 if { x.d; plangate_head_0 := x.c }",
        ),
        (
            "p[r.k] := r.v if { some r in input.xs }",
            "p[plangate_head_0] := plangate_head_1 if "
            "{ some r in input.xs; plangate_head_0 := r.k; plangate_head_1 := r.v }",
        ),
    ],
)
def test_rules_are_given_the_form_of_opas_compiler(rule: str, form: str) -> None:
    assert rewritten(f"package main\n\n{rule}\n", partial(bundled._tree, "a")) == f"package main\n\n{form}\n"


def test_a_negation_in_a_negation_is_computed_first() -> None:
    rule = "p if not count([1 | some x in input.xs; not f(x.a)]) == 1\n\nf(x) if x == 2\n"
    form = rewritten(f"package main\n\n{rule}", partial(bundled._tree, "a"))
    assert "plangate_not_0_0 := x.a; not f(plangate_not_0_0)" in form
    assert "plangate_not_1_0 := count(" in form


def test_data_is_read_as_opa_reads_it_or_refused() -> None:
    files = {"a/b.yaml": "c: {d: 1, e: [x, 'yes', 1.5, true, null]}", "a/c.json": '{"f": 2}'}
    assert read_data(files) == {"a": {"c": {"d": 1, "e": ["x", "yes", 1.5, True, None]}, "f": 2}}
    for text in (
        "a: yes",
        "a: 010",
        "a: 1e3",
        "a: 2024-01-02",
        "a: 0x1f",
        "a: 1_000",
        "1: a",
        "a: .5",
        "a: 1:30",
    ):
        with pytest.raises(Differs):
            read_data({"x.yaml": text})
    for text in ('{"a": 1.0}', '{"a": 9007199254740993}', '{"a": 1e3}'):
        with pytest.raises(Differs):
            read_data({"x.json": text})
    with pytest.raises(ValueError, match="another file says what a is"):
        read_data({"x.json": '{"a": 1}', "y.json": '{"a": 2}'})


def test_data_at_a_rules_path_or_above_it_is_a_conflict() -> None:
    rules = [("main", "deny")]
    assert conflict({"main": {"deny": []}}, rules) == "main.deny"
    assert conflict({"main": 3}, rules) == "main"
    assert conflict({"main": {"other": 1}}, rules) == ""


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("sprintf", ("%s has %d of %v, 100%%", ["x", 3, ["a", None, {"b": 1.5}]]), None),
        ("sprintf", ("%d", ["x"]), ValueError),
        ("sprintf", ("%s", [3]), ValueError),
        ("sprintf", ("%5d", [3]), ValueError),
        ("json.marshal", ({"b": "<&>", "a": [1, None, "ü\u2028"]},), None),
        ("upper", ("Über ß",), ValueError),
        ("lower", ("İ",), ValueError),
        ("ceil", (-0.4,), ValueError),
        ("sum", ([0.1, 0.2],), ValueError),
        ("time.parse_rfc3339_ns", ("2024-01-02 13:04:05Z",), ValueError),
        ("time.add_date", (1706659200000000000, 0, 1, 0), 1709337600000000000),
        ("net.cidr_contains", ("10.0.0.0/8", "10.1.2.3"), True),
        ("net.cidr_contains", ("10.0.0.0/8", "::ffff:10.0.0.1"), ValueError),
        ("regex.match", (r"^\w+$", "Über"), False),
        ("regex.match", (r"^a$", "a\n"), False),
        ("regex.match", (r"\p{Lu}", "A"), ValueError),
        ("regex.split", ("x*", "axb"), ValueError),
        ("to_number", ("1e3",), ValueError),
        ("to_number", ("42",), 42),
        ("indexof", ("abc", ""), ValueError),
        ("trace", ("x",), True),
    ],
)
def test_functions_have_opas_answers_or_none(name: str, arguments: tuple[Any, ...], answer: object) -> None:
    function = functions.FUNCTIONS[name][1]
    if isinstance(answer, type):
        with pytest.raises(answer):
            function(*arguments)
    elif answer is None:
        shown = {
            "sprintf": 'x has 3 of ["a", null, {"b": 1.5}], 100%',
            "json.marshal": '{"a":[1,null,"ü\\u2028"],"b":"\\u003c\\u0026\\u003e"}',
        }
        assert function(*arguments) == shown[name]
    else:
        assert function(*arguments) == answer


def test_a_plan_with_numbers_that_would_change_is_refused(bundled: RegoEngine) -> None:
    judge = judging(bundled)
    plain = {"a.rego": "package main\n\ndeny contains 1 if input.n > 3\n"}
    counting = {"a.rego": "package main\n\ndeny contains 1 if input.n + 1 > 3\n"}
    assert judge(plain, {"n": 3.5, "version": "1.10"})[0].outcome.value == "failed"
    for files, plan in ((plain, {"n": 9007199254740993}), (counting, {"n": 3.5})):
        (one,) = judge(files, plan)
        assert one.outcome.value == "errored"
        assert "the bundled evaluator" in one.messages[0]


def test_what_is_known_of_a_set_is_kept_by_its_content(tmp_path: Path) -> None:
    job = SetJob({"a.rego": "package a"}, {}, True, "bundled", 1, 1)
    facts = SetFacts({"a.rego": ModuleFacts("a", {"deny": 3})})
    FactsCache(tmp_path / "facts").keep("content", json.loads(json.dumps(facts.written())))
    again = FactsCache(tmp_path / "facts")
    assert again.with_facts("content", job) != job
    assert again.with_facts("other", job).facts is None
    for path in (tmp_path / "facts").glob("*.json"):
        path.write_text("{")
    assert FactsCache(tmp_path / "facts").with_facts("content", job).facts is None


def test_sets_are_judged_alike_when_they_are_known(tmp_path: Path, engine: RegoEngine) -> None:
    engine._cache = FactsCache(tmp_path)
    files = {"a.rego": "package main\n\ndeny contains input.x\n", "b.rego": "package b\n\nimport data.main\n"}
    first, second = (judging(engine)(files, {"x": "y"}) for _ in range(2))
    assert first[0].messages == second[0].messages == ("y",)
    assert len(list(tmp_path.glob("*.json"))) == 1
