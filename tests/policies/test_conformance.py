"""OPA's own cases and the corpus of idioms: no evaluator gives another answer than OPA's, only errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from bot.policies import RegoEngine
from bot.policies.engine import bundled_title
from tests import conformance, idioms
from tests.conformance import Verdict
from tests.support.opa import VERSION, opa_or_skip

# Idioms that the bundled evaluator refuses. A new one must be looked at: each costs somebody a policy.
MOST_REFUSED = 25
LEAST_IDIOMS = 150
HOW_MANY = 4


def chosen_cases() -> list[dict[str, object]]:
    try:
        return conformance.cases()
    except FileNotFoundError:
        pytest.skip(f"OPA's conformance cases are not here: {conformance.CASES.name} beside the repository")


def rows() -> dict[str, list[str]]:
    """The table's rows by category, each with its cells."""
    lines = [line for line in conformance.TABLE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("*"): row[1:] for row in cells}


def test_the_table_says_that_no_answer_is_wrong() -> None:
    header, *_ = rows().values()
    assert header == [
        "cases",
        f"OPA {VERSION}",
        "clean error",
        "wrong",
        bundled_title(),
        "clean error",
        "wrong",
    ]
    assert {
        name: (row[3], row[6]) for name, row in rows().items() if name and (row[3], row[6]) != ("0", "0")
    } == {}
    assert int(rows()["all"][0]) >= 1242


def sampled(cases: Sequence[dict[str, object]], every: int) -> list[dict[str, object]]:
    """Of each category every so manyth case, beginning with the first."""
    seen: Counter[str] = Counter()
    chosen = []
    for case in cases:
        name = conformance.category(case)
        if seen[name] % every == 0:
            chosen.append(case)
        seen[name] += 1
    return chosen


@pytest.mark.soak
@pytest.mark.parametrize("part", range(HOW_MANY))
def test_the_bundled_evaluator_answers_opas_cases_as_the_table_says(part: int) -> None:
    cases = chosen_cases()
    mine = sorted({conformance.category(case) for case in cases})[part::HOW_MANY]
    chosen = [case for case in cases if conformance.category(case) in mine]
    found = conformance.counted(None, chosen)
    assert {name: _cells(counts) for name, counts in found.items()} == {
        name: rows()[name][4:] for name in mine
    }


def test_the_bundled_evaluator_answers_no_case_in_twenty_otherwise_than_opa() -> None:
    found = conformance.counted(None, sampled(chosen_cases(), 20))
    answered = sum(found.values(), Counter[Verdict]())
    assert answered[Verdict.WRONG] == 0
    # About as many as of all cases.
    share = int(rows()["all"][4]) / int(rows()["all"][0])
    assert answered[Verdict.PASS] > answered.total() * (share - 0.1)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.soak), 8])
def test_opa_answers_its_own_cases_as_the_table_says(step: int) -> None:
    """The first case of each category, or of one category in eight: OPA's start costs more than a case."""
    opa = opa_or_skip().find()
    cases = chosen_cases()
    chosen = sampled(cases, len(cases))[::step]
    found = conformance.counted(opa, chosen)
    assert sum((counts[Verdict.WRONG] for counts in found.values()), 0) == 0
    assert sum((counts[Verdict.PASS] for counts in found.values()), 0) > len(chosen) * 0.9


def _cells(counts: Counter[Verdict]) -> list[str]:
    return [str(counts[verdict]) for verdict in (Verdict.PASS, Verdict.ERROR, Verdict.WRONG)]


def test_opas_answers_to_the_idioms_are_those_that_are_kept(opa: RegoEngine) -> None:
    chosen = dict(list(idioms.idioms().items())[::10])
    assert idioms.answers(opa, chosen) == {name: idioms.kept()[name] for name in chosen}


def test_the_bundled_evaluator_answers_every_idiom_as_opa_or_refuses_it(bundled: RegoEngine) -> None:
    chosen, kept = idioms.idioms(), idioms.kept()
    assert len(chosen) >= LEAST_IDIOMS
    assert chosen.keys() == kept.keys()
    found = idioms.answers(bundled, chosen)
    other = {name: answer for name, answer in found.items() if answer != kept[name]}
    refused = {name for name, answer in other.items() if all(said == ["errored"] for said in answer.values())}
    assert {name: (answer, kept[name]) for name, answer in other.items() if name not in refused} == {}
    assert len(refused) <= MOST_REFUSED, sorted(refused)
