"""Who approves a merge request, who asks for changes, and which heads it has had, in GitLab's API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from bot.playground.forge.model import ForgeError, Pull, Review, not_found
from bot.playground.forge.versions import Version
from bot.playground.gitlab.desk import GitLabDesk
from bot.playground.gitlab.shapes import moment

Answer = dict[str, Any]
_AT = "/projects/<path:project>/merge_requests/<int:number>"
_STATES = {"APPROVED": "approved", "CHANGES_REQUESTED": "requested_changes", "DISMISSED": "unapproved"}


def approvals_blueprint(desk: GitLabDesk) -> Blueprint:
    """Serve what reviewers do to a merge request."""
    blueprint = Blueprint("gitlab-approvals", __name__)
    _reading(blueprint, desk)
    _versions(blueprint, desk)
    _judging(blueprint, desk)
    return blueprint


def _standing(pull: Pull) -> list[Review]:
    """List each reviewer's word that stands, oldest first; a plain comment replaces none."""
    said = {review.author: review for review in pull.reviews if review.state in _STATES}
    return sorted(said.values(), key=lambda review: review.id)


def _approvals(pull: Pull) -> list[Review]:
    return [review for review in _standing(pull) if review.state == "APPROVED"]


def _needed(pull: Pull) -> int:
    rules = pull.repo.protections.get(pull.base_ref)
    return rules.approvals if rules else 0


def _approval_answer(desk: GitLabDesk, pull: Pull) -> Answer:
    given, needed = _approvals(pull), _needed(pull)
    viewer = desk.viewer()
    return {
        "approved": bool(given) and len(given) >= needed,
        "approvals_required": needed,
        "approvals_left": max(needed - len(given), 0),
        "user_has_approved": viewer in [review.author for review in given],
        "approved_by": [
            {"user": desk.shapes.user(review.author), "approved_at": moment(review.submitted_at)}
            for review in given
        ],
    }


def _reading(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/approvals")
    def approvals(project: str, number: int) -> Answer:
        return _approval_answer(desk, desk.merge_request(project, number))

    @blueprint.get(f"{_AT}/approval_state")
    def state(project: str, number: int) -> Answer:
        pull = desk.merge_request(project, number)
        given, needed = _approvals(pull), _needed(pull)
        rule = {
            "id": pull.id,
            "name": "All Members",
            "rule_type": "any_approver",
            "report_type": None,
            "section": None,
            "eligible_approvers": [],
            "approvals_required": needed,
            "users": [],
            "groups": [],
            "contains_hidden_groups": False,
            "source_rule": None,
            "overridden": False,
            "code_owner": False,
            "approved_by": [desk.shapes.user(review.author) for review in given],
            "approved": len(given) >= needed,
        }
        return {"approval_rules_overwritten": False, "rules": [rule] if needed else []}

    @blueprint.get(f"{_AT}/reviewers")
    def reviewers(project: str, number: int) -> Response:
        def shape(review: Review) -> Answer:
            return {
                "user": desk.shapes.user(review.author),
                "state": _STATES[review.state],
                "created_at": moment(review.submitted_at),
            }

        return desk.page(_standing(desk.merge_request(project, number)), shape)


def _versions(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/versions")
    def versions(project: str, number: int) -> Response:
        pull = desk.merge_request(project, number)

        def shape(version: Version) -> Answer:
            return {
                "id": version.id,
                "head_commit_sha": version.head_sha,
                "base_commit_sha": version.base_sha,
                "start_commit_sha": version.base_sha,
                "created_at": moment(version.created_at),
                "merge_request_id": pull.id,
                "state": "collected",
                "real_size": "1",
                "patch_id_sha": None,
            }

        return desk.page(pull.versions[::-1], shape)


def _judging(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.post(f"{_AT}/approve")
    def approve(project: str, number: int) -> tuple[Answer, int]:
        user, pull = desk.actor(), desk.merge_request(project, number)
        sha = desk.text(desk.body(), "sha")
        if sha and sha != pull.head_sha:
            raise ForgeError("conflict", f"SHA does not match HEAD of source branch: {pull.head_sha}")
        # GitLab answers so to the person who may not approve, and who has done it already.
        if user is pull.author or user in [review.author for review in _approvals(pull)]:
            raise ForgeError("unauthorized", "")
        desk.forge.review(pull.repo, number, user.login, "APPROVE")
        return _approval_answer(desk, pull), 201

    @blueprint.post(f"{_AT}/unapprove")
    def take_back(project: str, number: int) -> tuple[Answer, int]:
        user, pull = desk.actor(), desk.merge_request(project, number)
        given = next((review for review in _approvals(pull) if review.author is user), None)
        if given is None:
            raise not_found()
        desk.forge.dismiss_review(pull.repo, number, given.id, user.login)
        return _approval_answer(desk, pull), 201
