"""Why a run or a change is where it is, for programs: what `/why` answers in a comment."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, jsonify, request

from bot.domain.changes.requirements import Facts
from bot.domain.changes.why import WhyReport
from bot.domain.errors import ForgeError
from bot.domain.people.permissions import Role
from bot.services.comments.why_reports import WhyQuestion, WhySubject, find_subjects, one_subject
from bot.services.documents.why import why_document
from bot.services.ports import ChangeRecord
from bot.web.changes.recent_facts import recent_facts
from bot.web.request import access
from bot.web.request.services import services
from bot.web.runs import json_answers

blueprint = Blueprint("why", __name__)


@blueprint.get("/why")
def show() -> Response:
    """Say why the run or the change that `about` names is where it is. Raises NotFound, Invalid."""
    about = request.args.get("about", "")
    subject, role = _subject(about)
    facts, problem = _facts(subject.record, role)
    asked = WhyQuestion(services().clock.now(), facts)
    with services().store.reading() as tx:
        report = services().why_reports.of(tx, subject, asked)
    document = why_document(about, _reached(report), problem)
    return jsonify(data={"type": "reasons", "attributes": json_answers.attributes(document)})


def _subject(about: str) -> tuple[WhySubject, Role]:
    """Find what is meant, and the person's role there. What they may not see is not there."""
    token = access.asker().token
    with services().store.reading() as tx:
        found = [
            each
            for each in find_subjects(tx, about)
            if token is None
            or each.run is None
            or token.reaches(tx.workspaces.get(each.run.workspace_id).name)
        ]
    roles = access.roles({each.repo for each in found})
    subject = one_subject(about, [it for it in found if roles.get(it.repo, Role.NONE) >= Role.READ])
    return subject, roles[subject.repo]


def _facts(record: ChangeRecord | None, role: Role) -> tuple[Facts | None, str]:
    """Ask the forge for what requirements need, for people who may plan, as `/why` does."""
    if record is None or role < Role.PLAN:
        return None, ""
    with services().store.reading() as tx:
        workspaces = [tx.workspaces.get(each) for each in record.workspace_ids]
    answer = recent_facts().of(record.change, workspaces)
    return (None, f"can't reach the forge: {answer}") if isinstance(answer, ForgeError) else (answer, "")


def _reached(report: WhyReport) -> WhyReport:
    """Leave out the workspaces that a program's token does not reach."""
    token = access.asker().token
    if token is None or not token.workspaces:
        return report
    parts = tuple(each for each in report.parts if token.reaches(each.workspace))
    others = tuple(each for each in report.others if token.reaches(each.workspace))
    # Automerge speaks of all of a change's workspaces.
    return replace(report, parts=parts, others=others, merging="")
