"""Evaluates a set by regorus, in forks of the supervisor: a crash of the library ends only a fork."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import regorus

from . import functions
from .data_files import conflict, read_data, read_json
from .job import LONGEST_MESSAGE, MOST_MESSAGES, ModuleFacts, Query, SetFacts, SetJob
from .processes import Ended, ProcessLimits, forked
from .refusals import facts_of
from .rewriting import rewritten

_UNORDERED = "could not schedule all statements"
# Numbers that may be printed differently. Only if there is one, the whole input is read.
_ODD_NUMBER = re.compile(r"\d{16}|\d\.\d*0(?![\d])|\d[eE][-+\d]|\d\.\d{15}")
_DECIMAL = re.compile(r"\d\.\d")
_PATH = re.compile(r'data(?:\.[A-Za-z_]\w*|\["[^"\\]+"\])+')
_LENGTHS = {"max_col": 1 << 20, "max_file_bytes": 1 << 26, "max_lines": 1 << 20}
# Errors of the library, and of the functions here. A panic of the library ends the fork.
_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
Answer = dict[str, Any]


class Bundled:
    """The bundled evaluator with one set. `read_input` returns the document as JSON."""

    def __init__(self, job: SetJob, read_input: Callable[[], str | None]) -> None:
        self._job = job
        self._input = read_input

    def facts(self, limits: ProcessLimits) -> SetFacts:
        """Read the modules."""
        lines, ended = _lines_of(self._read, limits)
        if ended.why or not lines:
            return SetFacts(wrong=ended.why or "the set could not be read")
        return SetFacts.read(lines[0])

    def evaluate(self, facts: SetFacts, queries: Sequence[Query], limits: ProcessLimits) -> dict[str, Answer]:
        """Answer queries. A query that crashes the evaluator does not affect the others."""
        found: dict[str, Answer] = {}
        left = list(queries)
        while left:
            asked = left
            lines, ended = _lines_of(partial(self._answer, facts, asked), limits)
            found.update({line["name"]: line for line in lines if "begins" not in line})
            left = [query for query in left if query.name not in found]
            if not left:
                break
            why = ended.why or "the evaluator gave no answer"
            at = next((line["name"] for line in reversed(lines) if "begins" in line), "")
            if not at or ended.timed_out:
                for query in left:
                    behind = (
                        f"it was not evaluated: at the policy {at}, {why}" if at and query.name != at else why
                    )
                    found[query.name] = {"error": behind}
                break
            found[at] = {"error": why}
            left = [query for query in left if query.name != at]
        return found

    # --- in the fork

    def _read(self, write: Callable[[Any], None]) -> None:
        wrong: dict[str, ModuleFacts] = {}
        trees: dict[str, tuple[str, Any]] = {}
        for path, text in self._job.modules.items():
            try:
                tree = _tree(path, text)
            except _ERRORS as error:
                wrong[path] = ModuleFacts(_package(text), wrong=_first_words(error, path))
            else:
                trees[path] = (text, tree)
        found = facts_of(trees)
        write(SetFacts({**found.modules, **wrong}).written())

    def _answer(self, facts: SetFacts, queries: Sequence[Query], write: Callable[[Any], None]) -> None:
        said = tempfile.TemporaryFile()  # noqa: SIM115 -- gone with this process
        os.dup2(said.fileno(), 2)
        engine: Any = None
        why = ""
        try:
            engine, why = self._engine(facts)
        except _ERRORS as error:
            why = _first_words(error)
        for query in queries:
            if why:
                write({"name": query.name, "error": why})
                continue
            write({"name": query.name, "begins": True})
            begin = time.perf_counter()
            answer = _asked(engine, query)
            if os.pread(said.fileno(), 1 << 16, 0).find(_UNORDERED.encode()) >= 0:
                why = "the bundled evaluator can't order a rule's statements, or a variable is unsafe"
                answer = {"error": why}
            write({**answer, "name": query.name, "seconds": round(time.perf_counter() - begin, 4)})

    def _engine(self, facts: SetFacts) -> tuple[Any, str]:
        """Return an engine with the modules, data and input; or the reason why it may not be used."""
        sound = facts.sound_modules()
        arithmetic = next(
            (f"{p}, line {facts.modules[p].arithmetic}" for p in sound if facts.modules[p].arithmetic), ""
        )
        engine = regorus.Engine()
        engine.set_gather_prints(True)
        engine.set_policy_length_config(**_LENGTHS)
        for name, (count, function) in functions.made(decimals=not arithmetic).items():
            engine.add_extension(name, count, function)
        for path in sound:
            engine.add_policy(path, rewritten(self._job.modules[path], partial(_tree, path)))
        data = read_data(self._job.data)
        rules = [(*m.package.split("."), rule) for m in facts.modules.values() for rule in m.rules]
        if path := conflict(data, rules):
            return None, f"the data has {path}, which is a rule of the set too"
        document = self._input() or ""
        if _ODD_NUMBER.search(document):
            read_json(document, "the plan")
        if arithmetic and (_has_decimal(document) or _has_decimal(json.dumps(data))):
            return None, f"{arithmetic}: the bundled evaluator does not calculate with decimals as OPA does"
        engine.add_data_json(json.dumps(data))
        if document:
            engine.set_input_json(document)
        return engine, ""


def _tree(path: str, text: str) -> Any:
    """Return a module's syntax tree. Raises RuntimeError, and others of the library's own."""
    engine = regorus.Engine()
    engine.set_policy_length_config(**_LENGTHS)
    engine.add_policy(path, text)
    return json.loads(engine.get_ast_as_json())[0]["ast"]


def _asked(engine: Any, query: Query) -> Answer:
    if not _PATH.fullmatch(query.text):
        # Such a query has not been checked as the modules have.
        return {"error": "the bundled evaluator takes only the name of a rule as a query"}
    try:
        if query.unless and json.loads(engine.eval_query_as_json(query.unless)).get("result"):
            return {"excepted": True}
        return reduced(json.loads(engine.eval_query_as_json(query.text)).get("result") or [])
    except _ERRORS as error:
        return {"error": _first_words(error)}


def reduced(results: Sequence[Any]) -> Answer:
    """Return `{"value": ...}` or `{"undefined": true}`; for a long list its first items, and its length."""
    if not results:
        return {"undefined": True}
    if len(results) > 1:
        return {"error": "the query has several results: it must be the name of a rule"}
    value = results[0]["expressions"][-1]["value"]
    if not isinstance(value, list):
        return {"value": value}
    kept = [item[: LONGEST_MESSAGE + 1] if isinstance(item, str) else item for item in value[:MOST_MESSAGES]]
    return {"value": kept, **({"count": len(value)} if len(value) > MOST_MESSAGES else {})}


def _has_decimal(text: str) -> bool:
    """Whether a document has a number with a decimal point. Versions in texts are not numbers."""
    if not _DECIMAL.search(text):
        return False
    found: list[str] = []
    json.loads(text, parse_float=found.append)
    return bool(found)


def _lines_of(
    work: Callable[[Callable[[Any], None]], None], limits: ProcessLimits
) -> tuple[list[Any], Ended]:
    """Return the lines of JSON that a fork writes, without one that was cut off."""
    with tempfile.TemporaryFile() as file:

        def write(line: Any) -> None:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()

        ended = forked(lambda: work(write), limits)
        file.seek(0)
        lines = []
        for line in file:
            try:
                lines.append(json.loads(line))
            except ValueError:
                break  # it was cut off in the middle
        return lines, ended


def _package(text: str) -> str:
    found = re.search(r"^\s*package\s+([\w.]+)", text, re.MULTILINE)
    return found[1] if found else ""


def _first_words(error: BaseException, path: str = "") -> str:
    """Return the library's message, with the place, and without its picture of the source."""
    text = str(error).split("Stack backtrace")[0]
    place = re.search(r"--> (.+?):(\d+):\d+", text)
    said = re.findall(r"^error: (.+)", text, re.MULTILINE)
    words = " ".join((said[-1] if said else text).split())[:300] or type(error).__name__
    if place:
        return f"{place[1]}, line {place[2]}: {words}"
    return f"{path}: {words}" if path else words
