"""OPA's own conformance cases, by each evaluator: `python -m tests.conformance` writes the table.

A case passes if its result, or its error, is OPA's. An error instead of a result is clean: no plan passes
by it. Any other answer is wrong, and there must be none. Source of the cases, and of their fields:
https://github.com/open-policy-agent/opa/tree/main/v1/test/cases
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot.policies.engine import bundled_title
from bot.policies.inside.bundled import Bundled
from bot.policies.inside.job import Query, SetJob, first_used, paths_in
from bot.policies.inside.opa import OpaSet
from bot.policies.inside.processes import ProcessLimits
from bot.policies.programs import Opa

ROOT = Path(__file__).parents[1]
CASES = ROOT.parent / "shared" / "contracts" / "opa" / "cases.jsonl"
TABLE = ROOT / "docs" / "reference" / "conformance.md"
_DIRECT = re.compile(r"(data(?:\.[A-Za-z_]\w*)+) = ([a-z])")
_SECONDS, _MEMORY = 20, 1 << 30


class Verdict(StrEnum):
    PASS = "pass"
    ERROR = "clean error"
    WRONG = "wrong"


def cases() -> list[dict[str, Any]]:
    """Return the cases. Raises FileNotFoundError if they are not beside the repository."""
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def category(case: Mapping[str, Any]) -> str:
    """Return the folder of OPA's that a case is in."""
    return str(case["file"]).partition("/")[0]


def job_of(case: Mapping[str, Any], evaluator: str) -> tuple[SetJob, str]:
    """Return a case as a set with one policy, and the variable that its value is of; empty for all."""
    modules = {f"m{index}.rego": text for index, text in enumerate(case.get("modules") or [])}
    direct = _DIRECT.fullmatch(case["query"])
    query, variable = (direct[1], direct[2]) if direct else ("data.plangate_case.result", "")
    if not direct or "input_term" in case:
        wanted = (case.get("want_result") or [{}])[0]
        value = "{" + ", ".join(f'"{name}": {name}' for name in wanted) + "}" if wanted else "true"
        given = f" with input as {case['input_term']}" if "input_term" in case else ""
        body = f"{case['query'].strip()}{given}"
        modules["case.rego"] = f"package plangate_case\n\nresult := {value} if {{\n\t{body}\n}}\n"
        query, variable = "data.plangate_case.result", ""
    data = {"data.json": json.dumps(case["data"])} if case.get("data") else {}
    job = SetJob(modules, data, False, evaluator, _SECONDS, _MEMORY, [Query("case", query)])
    return job, variable


def verdict(case: Mapping[str, Any], answer: Mapping[str, Any], variable: str) -> Verdict:
    """Judge an answer."""
    if "error" in answer:
        return Verdict.PASS if "want_result" not in case else Verdict.ERROR
    if "want_result" not in case:
        return Verdict.WRONG
    wanted = case["want_result"] or []
    if "undefined" in answer:
        return Verdict.WRONG if wanted else Verdict.PASS
    if not wanted:
        return Verdict.WRONG
    value = {variable: answer["value"]} if variable else answer["value"]
    # Without a variable in the query, that there is a result is all that is wanted.
    same = value is True if not wanted[0] else _plain(value, case) == _plain(wanted[0], case)
    return Verdict.PASS if same else Verdict.WRONG


def _plain(bindings: Any, case: Mapping[str, Any]) -> str:
    if case.get("sort_bindings") and isinstance(bindings, dict):
        bindings = {
            name: sorted(value, key=json.dumps) if isinstance(value, list) else value
            for name, value in bindings.items()
        }
    return json.dumps(_numbers(bindings), sort_keys=True)


def _numbers(value: Any) -> Any:
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return {key: _numbers(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def answered(case: Mapping[str, Any], opa: Opa | None) -> Mapping[str, Any]:
    """Have a case answered, by OPA if there is one, and return the answer with its verdict."""
    job, variable = job_of(case, "opa" if opa else "bundled")
    document = json.dumps(case["input"]) if "input" in case else None
    limits = ProcessLimits(time.monotonic() + _SECONDS, _SECONDS, _MEMORY)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        evaluator: OpaSet | Bundled
        if opa:
            given = place / "input.json"
            if document is not None:
                given.write_text(document)
            evaluator = OpaSet(job, opa.path, opa.capabilities, place, given)
        else:
            evaluator = Bundled(job, lambda: document)
        facts = evaluator.facts(limits)
        queries = list(job.queries or ())
        wrong = facts.wrong_packages()
        tainted = first_used(paths_in(queries[0].text), wrong) or next(iter(wrong), "")
        if facts.wrong or tainted:
            answer: Mapping[str, Any] = {"error": facts.wrong or wrong[tainted]}
        else:
            answer = evaluator.evaluate(facts, queries, limits)["case"]
    return {**answer, "verdict": verdict(case, answer, variable)}


def results(opa: Opa | None, chosen: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the answer to each case, in their order."""
    with ProcessPoolExecutor(2) as pool:
        yield from pool.map(answered, chosen, [opa] * len(chosen), chunksize=20)


def table(counts: Mapping[str, Mapping[str, Counter[Verdict]]]) -> str:
    """Return the page: for each category, and for all, what each evaluator made of the cases."""
    titles = list(counts)
    names = sorted({name for by_category in counts.values() for name in by_category})
    lines = [
        "# Conformance",
        "",
        "The results of each evaluator on OPA's own conformance cases, by category.",
        "",
        "- *Pass*: the result or the error is OPA's.",
        "- *Clean error*: an error instead of a result. The policy errors at its level.",
        "- *Wrong*: any other answer. There must be none.",
        "",
        "`python -m tests.conformance` writes this page, and a test compares it. OPA runs with",
        "`--strict-builtin-errors`, without `http.send`, `opa.runtime` and `net.lookup_ip_addr`. Its clean",
        "errors are cases that expect a failed built-in to be undefined, or that use one of these three.",
        "",
        f"| | cases |{''.join(f' {title} | clean error | wrong |' for title in titles)}",
        f"|---|---|{'---|---|---|' * len(titles)}",
    ]
    for name in ["**all**", *names]:
        found = [
            _sum(counts[title]) if name == "**all**" else counts[title].get(name, Counter())
            for title in titles
        ]
        cells = "".join(
            f" {one[Verdict.PASS]} | {one[Verdict.ERROR]} | {one[Verdict.WRONG]} |" for one in found
        )
        lines.append(f"| {name} | {sum(found[0].values())} |{cells}")
    return "\n".join(lines) + "\n"


def _sum(by_category: Mapping[str, Counter[Verdict]]) -> Counter[Verdict]:
    return sum(by_category.values(), Counter())


def counted(opa: Opa | None, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Counter[Verdict]]:
    """Return how many cases of each category came to which verdict."""
    counts: dict[str, Counter[Verdict]] = {}
    for case, answer in zip(chosen, results(opa, chosen), strict=True):
        counts.setdefault(category(case), Counter())[answer["verdict"]] += 1
    return counts


def main() -> None:
    """Write the page, and print what is wrong."""
    from tests.support.opa import OpaMissing, opa_programs  # noqa: PLC0415 -- pytest comes with it

    chosen = cases()
    opa = None
    with contextlib.suppress(OpaMissing):
        opa = opa_programs().find()
    if opa is None:
        sys.exit("OPA is needed: install Go, with which the tests make it")
    counts = {}
    for title, by in ((opa.title, opa), (bundled_title(), None)):
        by_category: dict[str, Counter[Verdict]] = {}
        for case, answer in zip(chosen, results(by, chosen), strict=True):
            by_category.setdefault(category(case), Counter())[answer["verdict"]] += 1
            if answer["verdict"] is Verdict.WRONG or (
                len(sys.argv) > 1 and answer["verdict"] is Verdict.ERROR
            ):
                sys.stdout.write(f"{title}: {answer['verdict']}: {case['note']}: {str(dict(answer))[:200]}\n")
        counts[title] = by_category
        sys.stdout.write(f"{title}: {dict(_sum(by_category))}\n")
    TABLE.write_text(table(counts), encoding="utf-8")


if __name__ == "__main__":
    main()
