"""What comments, pages and the command line print of a plan, kept beside it: rendered once from its JSON.

No line of it comes from a process's output (promise 1). Masked when it is made (promise 6), and compressed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.errors import EngineError
from bot.domain.plan_diff import TextLimits, lines, render
from bot.domain.plan_diff.lines import Line
from bot.domain.plans.at_apply import AtApply, RunsAtApply, runs_at_apply
from bot.domain.plans.plan import load_plan_json
from bot.domain.runs.masking import TextMasker
from bot.domain.workspaces.workspace import EngineKind
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import ArtifactKind, Transaction

_LIMITS = TextLimits(characters=2000, lines=2000)


@dataclass(frozen=True)
class KeptText:
    """A plan's text by its lines, and what runs only at its apply. `more` is how many lines follow."""

    lines: tuple[Line, ...]
    at_apply: tuple[RunsAtApply, ...]
    more: int = 0

    def diff(self) -> str:
        """Return the text for a block of a diff, in which forges colour what changes."""
        return lines.diff(self.lines)

    def plain(self) -> str:
        """Return the text in Terraform's layout."""
        return lines.plain(self.lines)

    def with_actions(self) -> str:
        """Return the text in Terraform's layout, then what runs only at apply."""
        actions = (f"at apply, {each.address} {each.words}" for each in self.at_apply)
        return "\n".join((self.plain(), *actions))


def packed_text(document: Mapping[str, Any], secrets: Sequence[str], engine: str) -> bytes:
    """Return the text of a plan's JSON, to be kept. `engine` is the value of an EngineKind."""
    text = _rendered(document, secrets, engine)
    at_apply = [[each.kind.value, each.address, each.detail] for each in text.at_apply]
    found = {"lines": text.lines, "at_apply": at_apply}
    return zlib.compress(json.dumps(found, separators=(",", ":")).encode())


def kept_text(tx: Transaction, run_id: str, most: int | None = None) -> KeptText | None:
    """Return the text of a run's plan, at most its first lines. None if the run has no readable plan."""
    text = _kept_text(tx, run_id, most)
    if text is None or most is None:
        return text
    return replace(text, lines=text.lines[:most], more=text.more + len(text.lines[most:]))


def _kept_text(tx: Transaction, run_id: str, most: int | None) -> KeptText | None:
    if kept := tx.artifacts.get(run_id, ArtifactKind.PLAN_TEXT):
        found = json.loads(zlib.decompress(kept))
        at_apply = (
            RunsAtApply(AtApply(kind), address, detail) for kind, address, detail in found["at_apply"]
        )
        shown = found["lines"][:most]
        more = len(found["lines"]) - len(shown)
        return KeptText(tuple(map(Line._make, shown)), tuple(at_apply), more)
    # A plan from before texts were kept.
    plan_json = tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON)
    if not plan_json:
        return None
    try:
        return _rendered(load_plan_json(plan_json), secrets_of_run(tx, run_id), EngineKind.TERRAFORM)
    except EngineError:
        return None


def _rendered(document: Mapping[str, Any], secrets: Sequence[str], engine: str) -> KeptText:
    hide = TextMasker(secrets).hide
    program = "OpenTofu" if engine == EngineKind.TOFU else "Terraform"
    text = render(document, program=program, limits=_LIMITS, hide=hide if secrets else None)
    at_apply = (
        RunsAtApply(each.kind, hide(each.address), hide(each.detail)) for each in runs_at_apply(document)
    )
    return KeptText(text.lines, tuple(at_apply))
