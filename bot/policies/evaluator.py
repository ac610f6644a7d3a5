"""The process that judges: evaluates one set's policies on one plan, and can do nothing else.

Run as a script of its own (`python -I evaluator.py`), with nothing of Plangate but this file. It limits
itself, reads its job as JSON from standard input, and writes a line of JSON for each query as soon as it is
answered, so that what was answered before a time limit still counts.

A call that fails is undefined in Rego, so that a rule that makes it does not hold, and the plan passes. So
each query is first asked with failures as errors. Where a value had the wrong type, which authors rely on
being undefined, it is asked again as OPA would; only `sprintf`, which never fails in OPA, stays defined.
Whatever else fails is an error of the policy.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

import yaml
from regopy import Interpreter, RegoError, rego_shared

_ERROR_MESSAGE, _ERROR_CODE = 1801, 1803
OUT_OF_MEMORY = 86
_LOOK_SECONDS = 0.02
_WRONG_TYPE = "eval_type_error"
_RULE = re.compile(r"data(?:\.[A-Za-z_]\w*){2,}")


def main() -> int:
    """Answer every query of the job."""
    job = json.load(sys.stdin)
    _limit_memory(job["memory"])
    resource.setrlimit(resource.RLIMIT_CPU, (job["seconds"] + 5, job["seconds"] + 10))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What policies print, and the library's own complaints, must not get between the answers.
    os.dup2(2, 1)
    judge = _Judge(job)
    for query in job["queries"]:
        answers.write(json.dumps({"name": query["name"], "begins": True}) + "\n")
        answers.flush()
        begin = time.perf_counter()
        answer = judge.ask(query["query"])
        answer.update(name=query["name"], seconds=round(time.perf_counter() - begin, 4))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return 0


def _limit_memory(most: int) -> None:
    """End this process once it holds more than so many bytes.

    The library reserves addresses by the hundred gigabytes, so that the kernel's own limit is of no use. Its
    calls let other threads run, so that one of them can look.
    """

    def look() -> None:
        page = resource.getpagesize()
        with open("/proc/self/statm", "rb", buffering=0) as statm:  # noqa: PTH123 -- kept open
            while int(os.pread(statm.fileno(), 200, 0).split()[1]) * page < most:
                time.sleep(_LOOK_SECONDS)
        os._exit(OUT_OF_MEMORY)

    threading.Thread(target=look, daemon=True).start()


class _Judge:
    """The set's rules and data, and the input; each interpreter is made when it is first needed."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._made: dict[bool, _Compiled | str] = {}

    def ask(self, query: str) -> dict[str, Any]:
        """Return `{"value": ...}`, `{"undefined": true}` or `{"error": why}`."""
        answer = self._asked(query, strict=True)
        if answer.get("code") == _WRONG_TYPE and not answer["error"].startswith("sprintf:"):
            answer = self._asked(query, strict=False)
        return answer

    def _asked(self, query: str, *, strict: bool) -> dict[str, Any]:
        try:
            if strict not in self._made:
                self._made[strict] = self._compiled(strict)
            compiled = self._made[strict]
            if isinstance(compiled, str):
                return {"error": compiled}
            return _answer(compiled.output(query))
        except RegoError as error:
            return {"error": _first_words(str(error))}

    def _compiled(self, strict: bool) -> _Compiled | str:
        interpreter = self._interpreter(strict)
        if isinstance(interpreter, str):
            return interpreter
        # Where the input lies in the data, it would be compiled with the rules: dear, and for tests alone.
        queries = () if self._job["moved"] else [query["query"] for query in self._job["queries"]]
        return _Compiled(interpreter, queries)

    def _interpreter(self, strict: bool) -> Interpreter | str:
        """Return an interpreter with everything in it, or why there is none."""
        interpreter = Interpreter()
        interpreter.strict_built_in_errors = strict
        for name, source in self._job["modules" if strict else "lenient_modules"].items():
            try:
                interpreter.add_module(name, source)
            except RegoError as error:
                return f"{name} is no valid Rego: {_first_words(str(error))}"
        try:
            interpreter.add_data(_data(self._job["data"]))
        except (ValueError, yaml.YAMLError, RegoError) as error:
            return f"the set's data can't be read: {_first_words(str(error))}"
        if moved := self._job["moved"]:
            interpreter.add_data_json(f'{{"{moved}": {self._job["input"]}}}')
        else:
            interpreter.set_input_term(self._job["input"])
        return interpreter


class _Compiled:
    """A set compiled once for all of its queries; one that is no rule's name is compiled when it is asked."""

    def __init__(self, interpreter: Interpreter, queries: Iterable[str]) -> None:
        self._interpreter = interpreter
        self._entries = {
            query: query.removeprefix("data.").replace(".", "/")
            for query in queries
            if _RULE.fullmatch(query)
        }
        self._bundle = self._built() if self._entries else None

    def output(self, query: str) -> Any:
        """Return the library's own output. Raises RegoError."""
        impl = self._interpreter._impl
        entry = self._entries.get(query)
        if self._bundle is not None and entry is not None:
            return rego_shared.rego_bundle_query_entrypoint(impl, self._bundle, entry)
        return rego_shared.rego_query(impl, query)

    def _built(self) -> Any:
        """Compile; None where the library cannot: then each query says what is wrong."""
        impl = self._interpreter._impl
        try:
            for entry in self._entries.values():
                rego_shared.rego_add_entrypoint(impl, entry)
            bundle = rego_shared.rego_build(impl)
        except RegoError:
            return None
        return bundle if bundle and rego_shared.rego_bundle_ok(bundle) else None


def _data(files: dict[str, str]) -> dict[str, Any]:
    """Merge data files, each under its folder, as OPA does. Raises ValueError where two of them disagree."""
    whole: dict[str, Any] = {}
    for path, text in sorted(files.items()):
        value = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
        for folder in reversed(path.split("/")[:-1]):
            value = {folder: value}
        if not isinstance(value, dict):
            raise ValueError(f"{path} holds no mapping")
        _merge(whole, value, path)
    return whole


def _merge(whole: dict[str, Any], more: dict[str, Any], path: str) -> None:
    for key, value in more.items():
        there = whole.get(str(key))
        if isinstance(there, dict) and isinstance(value, dict):
            _merge(there, value, path)
        elif str(key) in whole:
            raise ValueError(f"{path}: another file says what {key} is")
        else:
            whole[str(key)] = value


def _answer(output: Any) -> dict[str, Any]:
    text = rego_shared.rego_output_string(output)
    if not rego_shared.rego_output_ok(output):
        found: dict[int, str] = {}
        _walk(rego_shared.rego_output_node(output), found)
        return {
            "error": found.get(_ERROR_MESSAGE) or "it could not be evaluated",
            "code": found.get(_ERROR_CODE, ""),
        }
    if text == "undefined":
        return {"undefined": True}
    try:
        result = json.loads(text)
    except ValueError:
        # Some errors come as text in the place of a result.
        return {"error": _first_words(text)}
    if isinstance(result, list):
        return {"error": "the query has several results: it must be the name of a rule"}
    return {"value": result["expressions"][-1]}


def _walk(node: Any, found: dict[int, str]) -> None:
    """Find an error's message and code in the library's own tree; the first of each counts."""
    kind = int(rego_shared.rego.regoNodeType(node))
    if kind in (_ERROR_MESSAGE, _ERROR_CODE):
        found.setdefault(kind, rego_shared.rego_node_value(node))
    for index in range(rego_shared.rego_node_size(node)):
        _walk(rego_shared.rego_node_get(node, index), found)


def _first_words(text: str) -> str:
    """Return what the library's error tree says, without the tree."""
    marker = "(errormsg "
    if marker in text:
        length, _, rest = text.split(marker, 1)[1].partition(":")
        words = rest.encode()[: int(length)].decode(errors="replace") if length.isdigit() else rest
        _, at, place = text.partition("(error ")
        _, colon, where = place.split("\n", 1)[0].partition(":") if at else ("", "", "")
        return f"{words} ({_place(where)})" if colon and _place(where) else words
    return " ".join(text.split())[:300]


def _place(where: str) -> str:
    """Return `file, character 12` of `file|12|3`."""
    name, _, rest = where.partition("|")
    offset = rest.partition("|")[0]
    return f"{name}, character {offset}" if offset.isdigit() else ""


if __name__ == "__main__":
    os._exit(main())
