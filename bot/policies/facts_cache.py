"""Cache of the facts that an evaluator found in a set's modules, by their content: a set is compiled once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.policies.inside.job import SetFacts, SetJob

_IN_MEMORY = 100
_ON_DISK = 500


class FactsCache:
    """A cache in memory and, if there is a folder, in files: a run's worker is a short-lived fork."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def with_facts(self, content: str, job: SetJob) -> SetJob:
        """Return the job with the facts that are known about its set."""
        raw = self._get(_name(content))
        if raw is None:
            return job
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            return replace(job, facts=SetFacts.read(raw))
        return job

    def keep(self, content: str, facts: Mapping[str, Any] | None) -> None:
        """Store facts. Facts that are missing because of a limit are found again the next time."""
        if facts is None or facts.get("wrong"):
            return
        name = _name(content)
        self._known[name] = facts
        while len(self._known) > _IN_MEMORY:
            self._known.popitem(last=False)
        if self._folder is not None:
            # If the disk is full, there is only the cache in memory.
            with contextlib.suppress(OSError):
                self._write(self._folder, name, facts)

    def _get(self, name: str) -> Mapping[str, Any] | None:
        if name not in self._known and self._folder is not None:
            with contextlib.suppress(OSError, ValueError):
                read = json.loads((self._folder / name).read_text(encoding="utf-8"))
                if isinstance(read, dict):
                    self._known[name] = read
        return self._known.get(name)

    @staticmethod
    def _write(folder: Path, name: str, facts: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", delete=False, encoding="utf-8") as file:
            json.dump(facts, file)
        os.replace(file.name, folder / name)  # noqa: PTH105 -- both are names in one folder
        there = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in there[:-_ON_DISK]:
            old.unlink(missing_ok=True)


def _name(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest() + ".json"
