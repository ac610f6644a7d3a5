"""Builds the card of a run's policy check, and returns a policy's text as it was when it judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, url_for

from bot.domain.errors import NotFound
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome, tally
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import Transaction
from bot.web.page.layout import Badge, Link, Tone
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services
from bot.web.runs.policy_context import PolicyCard, PolicyLine

blueprint = Blueprint("policies", __name__)

MOST_SHOWN = 100
_WORDS = {PolicyOutcome.PASSED: "Passed", PolicyOutcome.FAILED: "Failed", PolicyOutcome.ERRORED: "Errored"}


@dataclass(frozen=True)
class Judgement:
    """Results of the policies for a run, and the origin of each set."""

    checks: Sequence[PolicyCheck]
    origins: Mapping[str, tuple[str, str]]


def judgement(tx: Transaction, run_id: str) -> Judgement:
    """Read what policies said of a run."""
    checks = tx.policies.of_run(run_id)
    return Judgement(checks, tx.policies.origins(run_id) if checks else {})


def card(run: Run, found: Judgement) -> PolicyCard | None:
    """Return the card; None if no policy judged the run."""
    if not found.checks:
        return None
    stops = any(check.stands and check.level is not EnforcementLevel.ADVISORY for check in found.checks)
    badge = Badge("Failed", Tone.BAD) if stops else Badge("Passed", Tone.GOOD)
    if run.status is RunStatus.POLICY_OVERRIDE:
        badge = Badge("Needs an override", Tone.ASK)
    ordered = sorted(enumerate(found.checks), key=lambda item: (item[1].passed, item[0]))
    return PolicyCard(
        badge=badge,
        words=tally(found.checks),
        origins=tuple(_origin(name, *place) for name, place in sorted(found.origins.items())),
        lines=tuple(_line(run, check) for _, check in ordered),
        open=stops,
    )


def _origin(name: str, origin: str, commit: str) -> str:
    at = f" at commit {commit[:12]}" if commit else ""
    return harmless(f"{name}: {origin}{at}")


def _line(run: Run, check: PolicyCheck) -> PolicyLine:
    given = check.override
    url = url_for("policies.source", run_id=run.id, name=check.name) if check.file else ""
    return PolicyLine(
        name=harmless(check.name),
        badge=Badge("Overridden", Tone.OFF) if given else Badge(_WORDS[check.outcome], _tone(check)),
        level=check.level.value,
        description=harmless(check.description),
        messages=tuple(harmless(message) for message in check.messages[:MOST_SHOWN]),
        rest=_rest(run, check),
        override=harmless(f"overridden by {given.by}: {given.reason}") if given else "",
        took=f"{check.seconds:.2f} s" if check.seconds >= 0.01 else "",
        source=Link(harmless(check.file), url),
    )


def _rest(run: Run, check: PolicyCheck) -> Link:
    more = check.total - MOST_SHOWN
    if more <= 0:
        return Link("", "")
    return Link(f"all {check.total:,} messages", url_for("policies.messages", run_id=run.id, name=check.name))


def _tone(check: PolicyCheck) -> Tone:
    if check.passed:
        return Tone.GOOD
    return Tone.ASK if check.level is EnforcementLevel.ADVISORY else Tone.BAD


@blueprint.get("/runs/<run_id>/policies/<path:name>")
def source(run_id: str, name: str) -> Response:
    """Return the text of a policy's file, in the version that judged the run."""
    access.person_asking()
    with services().store.reading() as tx:
        for check in tx.policies.of_run(run_id):
            if check.name == name and check.file:
                files = tx.policies.version(check.version).files
                text = files.get(check.file, b"").decode(errors="replace")
                return Response(text, mimetype="text/plain")
    raise NotFound(f"no policy named {name} judged this run")


@blueprint.get("/runs/<run_id>/policy-messages/<path:name>")
def messages(run_id: str, name: str) -> Response:
    """Give every message of a policy that was kept, a line for each."""
    access.person_asking()
    with services().store.reading() as tx:
        for check in tx.policies.of_run(run_id):
            if check.name == name:
                lines = [harmless(message) for message in check.messages]
                if check.count:
                    lines.append(f"… and {check.count - len(check.messages):,} more, which were not kept")
                return Response("\n".join(lines) + "\n", mimetype="text/plain")
    raise NotFound(f"no policy named {name} judged this run")
