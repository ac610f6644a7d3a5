"""Projects, their members, branches and commits, and the statuses of these, in GitLab's API."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from flask import Blueprint, Response, request

from bot.playground.forge.model import ForgeError, Repo, Role, User, not_found
from bot.playground.gitlab.desk import GitLabDesk
from bot.playground.gitlab.shapes import LEVELS

Answer = dict[str, Any]
_AT = "/projects/<path:project>"
# How GitLab's states are kept among the forge's own.
_STATES = {
    "pending": "pending",
    "running": "pending",
    "success": "success",
    "failed": "failure",
    "canceled": "error",
    "skipped": "success",
}
_EVENTS = {"pending": "enqueue", "running": "run"}


def projects_blueprint(desk: GitLabDesk) -> Blueprint:
    """Serve what concerns a project as a whole."""
    blueprint = Blueprint("gitlab-projects", __name__)
    _people(blueprint, desk)
    _groups(blueprint, desk)
    _files(blueprint, desk)
    _code(blueprint, desk)
    _tags(blueprint, desk)
    _history(blueprint, desk)
    _statuses(blueprint, desk)
    return blueprint


def _people(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get("/user")
    def own_user() -> Answer:
        user = desk.actor()
        return desk.shapes.user(user) | {"email": user.email, "bot": user.type == "Bot"}

    @blueprint.get("/users")
    def users() -> Response:
        desk.actor()
        wanted = request.args.get("username", "").lower()
        found = [user for login, user in desk.forge.users.items() if login.lower() == wanted]
        return desk.page(found, desk.shapes.user)

    @blueprint.get(_AT)
    def project(project: str) -> Answer:
        return desk.shapes.project(desk.repo(project))

    @blueprint.get(f"{_AT}/members/all")
    def members(project: str) -> Response:
        repo, wanted = desk.repo(project), request.args.get("query", "").lower()
        found = [
            user
            for user in _members(repo, desk)
            if wanted in user.login.lower() or wanted in user.name.lower()
        ]
        return desk.page(found, lambda user: desk.shapes.member(repo, user))


def _groups(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/members")
    def direct_members(project: str) -> Response:
        repo = desk.repo(project)
        return desk.page(_members(repo, desk), lambda user: desk.shapes.member(repo, user))

    @blueprint.get("/groups/<path:group>/members")
    def members_of_group(group: str) -> Response:
        desk.actor()
        team = desk.forge.teams.get(group.lower())
        if team is None:
            raise not_found("404 Group Not Found")
        people = [desk.forge.user(login) for login in sorted(team)]
        return desk.page(people, lambda user: desk.shapes.user(user) | {"access_level": LEVELS[Role.write]})


def _members(repo: Repo, desk: GitLabDesk) -> list[User]:
    granted = [desk.forge.user(login) for login, role in repo.roles.items() if role > Role.none]
    return granted if repo.owner.type != "User" or repo.owner in granted else [repo.owner, *granted]


def _tags(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/repository/tags/<path:tag>")
    def one_tag(project: str, tag: str) -> Answer:
        repo = desk.repo(project)
        target = repo.git.ref(f"refs/tags/{tag}")
        tip = repo.git.ref(f"refs/tags/{tag}^{{commit}}")
        if target is None or tip is None:
            raise not_found("404 Tag Not Found")
        return {
            "name": tag,
            "message": "",
            "target": target,
            "commit": desk.shapes.commit(repo, repo.git.commit(tip)),
            "release": None,
            "protected": False,
            "created_at": None,
        }


def _code(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/repository/branches/<path:branch>")
    def one_branch(project: str, branch: str) -> Answer:
        repo = desk.repo(project)
        tip = repo.git.branch(branch)
        if tip is None:
            raise not_found("404 Branch Not Found")
        return {
            "name": branch,
            "commit": desk.shapes.commit(repo, repo.git.commit(tip)),
            "merged": False,
            "protected": branch in repo.protections,
            "developers_can_push": branch not in repo.protections,
            "developers_can_merge": True,
            "can_push": desk.forge.role_of(repo, desk.viewer()) >= Role.write,
            "default": branch == repo.default_branch,
            "web_url": f"{desk.shapes.at.web}/{repo.full_name}/-/tree/{branch}",
        }

    @blueprint.get(f"{_AT}/repository/commits/<sha>")
    def one_commit(project: str, sha: str) -> Answer:
        repo = desk.repo(project)
        return desk.shapes.full_commit(repo, repo.git.commit(desk.commit(repo, sha)))

    @blueprint.get(f"{_AT}/repository/commits/<sha>/merge_requests")
    def merge_requests_of_commit(project: str, sha: str) -> Response:
        repo = desk.repo(project)
        commit = desk.commit(repo, sha)
        found = [pull for pull in repo.pulls.values() if repo.git.contains(pull.head_sha, commit)]
        return desk.page(found, desk.shapes.merge_request)

    @blueprint.get(f"{_AT}/repository/compare")
    def compare(project: str) -> Answer:
        repo, asked = desk.repo(project), request.args
        base, head = (desk.commit(repo, asked.get(side, "")) for side in ("from", "to"))
        straight = asked.get("straight") == "true"
        changes = repo.git.changes(base, head) if straight else repo.git.changes_since_fork(base, head)
        commits = [desk.shapes.commit(repo, one) for one in repo.git.commits(f"{base}..{head}")[::-1]]
        return {
            "commit": commits[-1] if commits else None,
            "commits": commits,
            "diffs": [desk.shapes.diff(change) for change in changes],
            "compare_timeout": False,
            "compare_same_ref": base == head,
            "web_url": f"{desk.shapes.at.web}/{repo.full_name}/-/compare/{base}...{head}",
        }


def _history(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/repository/merge_base")
    def merge_base(project: str) -> Answer:
        repo, refs = desk.repo(project), request.args.getlist("refs[]")
        if len(refs) < 2:
            raise ForgeError("bad_request", "Provide at least 2 refs")
        found = [repo.git.resolve(ref) for ref in refs[:2]]
        if None in found:
            raise ForgeError("bad_request", f"Could not find ref: {refs[-1]}")
        base = repo.git.merge_base(str(found[0]), str(found[1]))
        if not base:
            raise not_found("404 Merge Base Not Found")
        return desk.shapes.commit(repo, repo.git.commit(base))


def _files(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/repository/files/<path:file>")
    def one_file(project: str, file: str) -> Answer:
        repo, ref = desk.repo(project), request.args.get("ref", "")
        commit = desk.commit(repo, ref or repo.default_branch)
        entry = next(iter(repo.git.tree(commit, file)), None)
        if entry is None or entry.type != "blob":
            raise not_found("404 File Not Found")
        content = repo.git.blob(entry.sha)
        return {
            "file_name": file.rpartition("/")[2],
            "file_path": file,
            "size": len(content),
            "encoding": "base64",
            "content": base64.b64encode(content).decode(),
            "content_sha256": hashlib.sha256(content).hexdigest(),
            "ref": ref,
            "blob_id": entry.sha,
            "commit_id": commit,
            "last_commit_id": commit,
        }


def _statuses(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_AT}/repository/commits/<sha>/statuses")
    def statuses(project: str, sha: str) -> Response:
        repo = desk.repo(project)
        commit = desk.commit(repo, sha)
        everything = request.args.get("all") == "true"
        found = repo.statuses.get(commit, []) if everything else repo.latest_statuses(commit)[::-1]
        name = request.args.get("name", "")
        named = [status for status in found if not name or status.context == name]
        return desk.page(named, lambda status: desk.shapes.status(repo, status))

    @blueprint.post(f"{_AT}/statuses/<sha>")
    def set_status(project: str, sha: str) -> tuple[Answer, int]:
        repo, body, user = desk.repo(project, Role.write), desk.body(), desk.actor()
        state = desk.text(body, "state", needed=True)
        if state not in _STATES:
            raise ForgeError("bad_request", "state does not have a valid value")
        commit, name = desk.commit(repo, sha), desk.text(body, "name") or desk.text(body, "context")
        _find_pipeline(desk, repo, commit, body)
        _check_move(repo, commit, user, name or "default", state)
        status = desk.forge.set_status(
            repo,
            commit,
            user.login,
            _STATES[state],
            context=name or "default",
            description=body.get("description"),
            target_url=body.get("target_url"),
            word=state,
        )
        return desk.shapes.status(repo, status), 201


def _find_pipeline(desk: GitLabDesk, repo: Repo, commit: str, body: Answer) -> None:
    """Find the pipeline to which a status belongs, or begin one, as GitLab does if it has a ref."""
    wanted = body.get("pipeline_id")
    if wanted is not None and wanted != repo.pipelines.get(commit):
        raise not_found("404 Pipeline Not Found")
    if commit in repo.pipelines:
        return
    on_branch = any(repo.git.contains(tip, commit) for tip in repo.git.branches().values())
    if not body.get("ref") and not on_branch:
        raise not_found("404 References for commit Not Found")
    repo.pipelines[commit] = desk.forge.next_id()


def _check_move(repo: Repo, commit: str, user: User, name: str, state: str) -> None:
    """Refuse what GitLab's jobs refuse: to begin to wait again, or to run again, before they have ended."""
    said = [s for s in repo.statuses.get(commit, []) if s.context == name and s.creator is user]
    last = said[-1].word or said[-1].state if said else ""
    if (last, state) in (("pending", "pending"), ("running", "pending"), ("running", "running")):
        event = _EVENTS[state]
        raise ForgeError(
            "invalid",
            f"Cannot transition status via :{event} from :{last} "
            f'(Reason(s): Status cannot transition via "{event}")',
        )
