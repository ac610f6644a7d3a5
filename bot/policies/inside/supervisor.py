"""The process that judges: evaluates each set within its limits, and writes the results.

It reads one line of JSON (the sets, the run, OPA's path) and after that the plan, from standard input. It
writes lines of JSON: the facts about each set, then an answer for each policy. See
`bot.policies.child`.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from .job import Query, SetFacts, SetJob, by_convention, first_used, paths_in
from .processes import ProcessLimits

_OUTPUT_BYTES = 512 << 20
_NAMES_PLAN = re.compile(r"\bplan\b")


def main() -> int:
    """Judge by every set."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT_BYTES, _OUTPUT_BYTES))
    header = json.loads(sys.stdin.buffer.readline())
    plan = sys.stdin.buffer.read()
    with (
        os.fdopen(os.dup(1), "w", encoding="utf-8") as out,
        tempfile.TemporaryDirectory(prefix="plangate-") as scratch,
    ):
        # Output of libraries must not get between the answers.
        os.dup2(2, 1)
        documents = _Documents(plan, header["run"], Path(scratch))
        for index, raw in enumerate(header["sets"]):
            folder = Path(scratch) / str(index)
            folder.mkdir()
            judging = _Judging(SetJob.read(raw), header["opa"], documents, folder)
            for line in judging.lines():
                out.write(json.dumps({"set": index, **line}) + "\n")
                out.flush()
            # The sandbox has this folder in memory.
            shutil.rmtree(folder)
    return 0


class _Documents:
    """The input of sets, in one of three forms. `folder` gets a file for each form that OPA reads."""

    def __init__(self, plan: bytes, run: Any, folder: Path) -> None:
        self._plan = plan
        self._run = json.dumps(run).encode()
        self._folder = folder

    def text(self, job: SetJob) -> bytes:
        """Return the input of a set. It contains the bytes of the plan as they are."""
        if not job.bare:
            return b'{"plan":' + self._plan + b',"run":' + self._run + b"}"
        more = b'"plan":' + self._plan + b"," if _reads_plan(job) else b""
        inner = self._plan.strip()[1:-1].strip()
        return b"{" + inner + (b"," if inner else b"") + more + b'"run":' + self._run + b"}"

    def file(self, job: SetJob) -> Path:
        """Return a file with the input of a set, written once for all sets of that form."""
        form = "wrapped" if not job.bare else "twice" if _reads_plan(job) else "bare"
        path = self._folder / f"{form}.json"
        if not path.exists():
            path.write_bytes(self.text(job))
        return path


def _reads_plan(job: SetJob) -> bool:
    # A plan may be large and slow to read: it is there twice only if a module names `plan`.
    return any(_NAMES_PLAN.search(text) for text in job.modules.values())


class _Judging:
    """One set and the plan."""

    def __init__(self, job: SetJob, opa: Any, documents: _Documents, folder: Path) -> None:
        self._job = job
        self._opa = opa
        self._documents = documents
        self._folder = folder
        self._limits = ProcessLimits(time.monotonic() + job.seconds, job.seconds, job.memory)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines to write about the set."""
        begin = time.perf_counter()
        facts = self._job.facts
        fresh = facts is None
        if facts is None:
            facts = self._evaluator.facts(self._limits)
        found = self._queries(facts)
        queries = [
            Query(q.name, q.text, q.unless, q.file or facts.file_of(q.text), q.conventional) for q in found
        ]
        known: dict[str, Any] = {"policies": [[q.name, q.file, q.conventional] for q in queries]}
        if fresh:
            known["facts"] = facts.written()
        wrong = facts.wrong or self._unknown(facts)
        if wrong:
            return [{**known, "wrong": wrong}]
        answers = self._answers(facts, queries)
        spent = round((time.perf_counter() - begin) / max(1, len(queries)), 4)
        return [known, *({"seconds": spent, **answers[q.name], "name": q.name} for q in queries)]

    def _unknown(self, facts: SetFacts) -> str:
        """Return the error of a module that may have policies which are not known."""
        if self._job.queries is not None:
            return ""
        return next((one.wrong for one in facts.modules.values() if one.wrong and not one.rules), "")

    def _answers(self, facts: SetFacts, queries: list[Query]) -> dict[str, dict[str, Any]]:
        wrong = facts.wrong_packages()
        answers: dict[str, dict[str, Any]] = {}
        for query in queries:
            if tainted := first_used(paths_in(query.text), wrong):
                answers[query.name] = {"error": wrong[tainted]}
        sound = [query for query in queries if query.name not in answers]
        if sound:
            answers.update(self._evaluator.evaluate(facts, sound, self._limits))
        return answers

    def _queries(self, facts: SetFacts) -> list[Query]:
        if self._job.queries is not None:
            return list(self._job.queries)
        if not self._job.tests:
            return by_convention(facts, self._job.namespaces)
        return [
            Query(f"{path}:{rule}", f"data.{facts.modules[path].package}.{rule}", file=path)
            for path in facts.modules
            for rule in facts.modules[path].rules
            if rule.startswith("test_")
        ]

    @cached_property
    def _evaluator(self) -> Any:
        # Each is loaded only if it is needed: the bundled one is a large library.
        if self._job.evaluator == "opa":
            from .opa import OpaSet  # noqa: PLC0415

            program, capabilities = Path(self._opa["program"]), self._opa["capabilities"]
            document = self._documents.file(self._job)
            return OpaSet(self._job, program, capabilities, self._folder, document)
        from .bundled import Bundled  # noqa: PLC0415

        return Bundled(self._job, lambda: self._documents.text(self._job).decode())
