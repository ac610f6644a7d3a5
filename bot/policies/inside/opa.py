"""Evaluates a set by the program `opa`, one process for all of its policies.

If OPA stops at an error of one policy, the policies are evaluated again in halves, until the one that
fails is found.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .bundled import Answer, reduced
from .job import RULE, ModuleFacts, Query, SetFacts, SetJob
from .processes import Ended, ProcessLimits, run

REFUSED = frozenset({"http.send", "opa.runtime", "net.lookup_ip_addr"})
"""Built-ins that reach out of the process."""

_ROUNDS = 5
_SAFE_PATH = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[^/\0][^\0]*")
_V0_HINT = "; this is Rego's old syntax (v0): `opa fmt --v0-v1 -w` rewrites it"
# Errors of one policy's evaluation. Any other error concerns the whole set.
_ONE_POLICY = re.compile(r"eval_\w+|rego_type_error|rego_unsafe_var_error|rego_parse_error")
_ALL_MODULES = "{path: rego.parse_module(path, text) | some path, text in input}"


class OpaSet:
    """OPA with one set. `folder` is a new folder of its own, `document` the file with the input."""

    def __init__(self, job: SetJob, program: Path, capabilities: str, folder: Path, document: Path) -> None:
        self._job = job
        self._program = program
        self._folder = folder
        self._document = document
        (folder / "capabilities.json").write_text(capabilities)
        for part in ("policy", "data"):
            (folder / part).mkdir()

    def facts(self, limits: ProcessLimits) -> SetFacts:
        """Read and compile the modules; those that do not compile are left out, with what OPA says."""
        odd = [path for path in (*self._job.modules, *self._job.data) if not _SAFE_PATH.fullmatch(path)]
        if odd:
            return SetFacts(wrong=f"{odd[0]!r} is not the path of a file in the set")
        modules, ended = self._parsed(limits)
        if ended.why:
            return SetFacts(wrong=ended.why)
        for _ in range(_ROUNDS):
            found = SetFacts(modules)
            self._lay(found.sound_modules())
            errors, ended = self._checked(limits)
            if ended.why:
                return SetFacts(modules, wrong=ended.why)
            named = {path: why for path, why in errors if path in modules and not modules[path].wrong}
            if not errors:
                return found
            if not named:
                return SetFacts(modules, wrong=errors[0][1])
            modules = {
                path: ModuleFacts(one.package, one.rules, one.uses, named.get(path, one.wrong))
                for path, one in modules.items()
            }
        return SetFacts(modules, wrong="the set has too many modules that can't be compiled")

    def evaluate(self, facts: SetFacts, queries: Sequence[Query], limits: ProcessLimits) -> dict[str, Answer]:
        """Answer queries."""
        self._lay(facts.sound_modules())
        for path, text in self._job.data.items():
            self._write("data", path, text)
        together = [query for query in queries if RULE.fullmatch(query.text)]
        found = self._halved(together, limits)
        for query in queries:
            if query.name not in found:
                found[query.name] = self._single(query, limits)
        return found

    def _lay(self, paths: Sequence[str]) -> None:
        """Write these modules to the folder, and delete others."""
        for file in (self._folder / "policy").rglob("*.rego"):
            file.unlink()
        for path in paths:
            self._write("policy", path, self._job.modules[path])

    def _write(self, part: str, path: str, text: str) -> None:
        place = self._folder / part / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    # --- reading and compiling

    def _parsed(self, limits: ProcessLimits) -> tuple[dict[str, ModuleFacts], Ended]:
        given = self._folder / "modules.json"
        given.write_text(json.dumps(dict(self._job.modules)))
        argv = ["eval", "--format", "json", "--input", str(given), "--stdin"]
        said, ended = self._run(argv, limits, _ALL_MODULES)
        trees = said["result"][0]["expressions"][0]["value"] if said.get("result") else {}
        return {path: _facts(trees.get(path), text) for path, text in self._job.modules.items()}, ended

    def _checked(self, limits: ProcessLimits) -> tuple[list[tuple[str, str]], Ended]:
        """Return OPA's errors, each with the module that it is in."""
        argv = ["check", "--format", "json", "--max-errors", "1000", "--capabilities", "capabilities.json"]
        said, ended = self._run([*argv, "policy"], limits, stderr=True)
        if ended.code and not ended.why and not said.get("errors"):
            return [("", "OPA could not compile the set")], ended
        return [(_module_of(error), _words(error)) for error in said.get("errors") or []], ended

    # --- evaluating

    def _halved(self, queries: Sequence[Query], limits: ProcessLimits) -> dict[str, Answer]:
        if not queries:
            return {}
        text = "{" + ", ".join(_all_of(index, query) for index, query in enumerate(queries)) + "}"
        said, ended = self._run(self._argv(), limits, text)
        if said.get("result"):
            value = said["result"][0]["expressions"][0]["value"]
            return {query.name: _answer(value[str(index)], query) for index, query in enumerate(queries)}
        error = _error(said, ended)
        if len(queries) == 1 or ended.timed_out or not _of_one_policy(said, ended):
            return {query.name: error for query in queries}
        middle = len(queries) // 2
        return {**self._halved(queries[:middle], limits), **self._halved(queries[middle:], limits)}

    def _single(self, query: Query, limits: ProcessLimits) -> Answer:
        said, ended = self._run(self._argv(), limits, query.text)
        if ended.code or ended.why or said.get("errors"):
            return _error(said, ended)
        return reduced(said.get("result") or [])

    def _argv(self) -> list[str]:
        argv = ["eval", "--format", "json", "--strict-builtin-errors", "--capabilities", "capabilities.json"]
        if self._document.exists():
            argv += ["--input", str(self._document)]
        return [*argv, "--data", "policy", "--data", "data", "--stdin"]

    def _run(
        self, argv: Sequence[str], limits: ProcessLimits, text: str = "", *, stderr: bool = False
    ) -> tuple[Mapping[str, Any], Ended]:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "GOMEMLIMIT": str(limits.memory * 3 // 4),
            "TMPDIR": str(self._folder),
        }
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(text.encode())
            given.seek(0)
            whole = [str(self._program), *argv]
            ended = run(whole, limits, given, said, self._folder, environment, stderr=stderr)
            said.seek(0)
            try:
                read = json.load(said)
            except ValueError:
                read = {}
        return (read if isinstance(read, dict) else {}), ended


def _all_of(index: int, query: Query) -> str:
    exceptions = f"[y | y := {query.unless}]" if query.unless else "[]"
    return f'"{index}": [[x | x := {query.text}], {exceptions}]'


def _answer(value: Any, query: Query) -> Answer:
    results, exceptions = value
    if query.unless and any(exceptions):
        return {"excepted": True}
    return reduced([{"expressions": [{"value": result}]} for result in results])


def _error(said: Mapping[str, Any], ended: Ended) -> Answer:
    errors = said.get("errors") or []
    return {"error": ended.why or (_words(errors[0]) if errors else "OPA gave no answer")}


def _of_one_policy(said: Mapping[str, Any], ended: Ended) -> bool:
    """Whether another policy may still be answered."""
    errors = said.get("errors") or []
    return bool(ended.why) or any(_ONE_POLICY.fullmatch(str(error.get("code"))) for error in errors)


def _words(error: Mapping[str, Any]) -> str:
    """Return OPA's message of an error, with the place in the set."""
    message = " ".join(str(error.get("message", "it could not be evaluated")).split())[:500]
    place = error.get("location") or {}
    if "keyword is required before rule body" in message or "keyword is required for partial set" in message:
        message += _V0_HINT
    module = _module_of(error)
    return f"{module}, line {place.get('row')}: {message}" if module else message


def _module_of(error: Mapping[str, Any]) -> str:
    place = error.get("location") or {}
    return str(place.get("file") or "").removeprefix("policy/")


def _facts(tree: Any, text: str) -> ModuleFacts:
    if not isinstance(tree, dict):
        # The check says what is wrong with it. A policy may still name its package.
        found = re.search(r"^\s*package\s+([\w.]+)", text, re.MULTILINE)
        return ModuleFacts(found[1] if found else "")
    package = ".".join(str(part["value"]) for part in tree["package"]["path"][1:])
    rules: dict[str, int] = {}
    for rule in tree.get("rules") or []:
        head = rule["head"]
        name = head.get("name") or head["ref"][0]["value"]
        rules.setdefault(str(name), 0)
    return ModuleFacts(package, rules, tuple(dict.fromkeys(_data_paths(tree))))


def _data_paths(node: Any) -> Iterator[str]:
    """Yield every reference to `data` in OPA's syntax tree, up to its first part that is not a constant."""
    if isinstance(node, list):
        if (
            node
            and isinstance(node[0], dict)
            and node[0].get("type") == "var"
            and node[0].get("value") == "data"
        ):
            parts = []
            for part in node[1:]:
                if not isinstance(part, dict) or part.get("type") != "string":
                    break
                parts.append(str(part["value"]))
            yield ".".join(["data", *parts])
        for value in node:
            yield from _data_paths(value)
    elif isinstance(node, dict):
        for key, value in node.items():
            # A package's own path is a bare list; an import's is a term.
            if key != "path" or not isinstance(value, list):
                yield from _data_paths(value)
