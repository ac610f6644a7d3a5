"""Repositories in GitHub's API: branches, refs, trees, contents, commits, comparisons and people's roles."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from bot.playground.forge.model import ForgeError, Repo, Role, User, invalid, not_found
from bot.playground.github.desk import Desk

Answer = dict[str, Any]
# GitHub's older field knows only four words; role_name has the true one.
_PERMISSION = {
    Role.none: "none",
    Role.read: "read",
    Role.triage: "read",
    Role.write: "write",
    Role.maintain: "write",
    Role.admin: "admin",
}


def repos_blueprint(desk: Desk) -> Blueprint:
    """Serve what concerns a whole repository."""
    blueprint = Blueprint("github-repos", __name__)
    _people(blueprint, desk)
    _refs(blueprint, desk)
    _git_refs(blueprint, desk)
    _commits(blueprint, desk)
    _contents(blueprint, desk)
    return blueprint


def _people(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/user")
    def own_user() -> Answer:
        return _public_user(desk, desk.actor())

    @blueprint.get("/users/<login>")
    def any_user(login: str) -> Answer:
        return _public_user(desk, desk.forge.user(login))

    @blueprint.get("/orgs/<organization>/teams/<slug>/members")
    def team_members(organization: str, slug: str) -> Response:
        team = desk.forge.teams.get(f"{organization}/{slug}".lower())
        if team is None:
            raise not_found()
        return desk.page([desk.forge.user(login) for login in sorted(team)], desk.shapes.user)

    @blueprint.get("/rate_limit")
    def rate_limit() -> Answer:
        rate = {"limit": 5000, "used": 0, "remaining": 5000, "reset": 4102444800}
        return {"resources": {"core": rate, "search": rate}, "rate": rate}

    @blueprint.get("/repos/<owner>/<name>")
    def one_repo(owner: str, name: str) -> Answer:
        return desk.shapes.full_repo(desk.repo(owner, name), desk.viewer())

    @blueprint.get("/repos/<owner>/<name>/collaborators/<login>")
    def is_collaborator(owner: str, name: str, login: str) -> tuple[str, int]:
        repo = desk.repo(owner, name, Role.write)
        user = desk.forge.user(login)
        if user is not repo.owner and not repo.roles.get(user.login):
            raise not_found()
        return "", 204

    @blueprint.get("/repos/<owner>/<name>/collaborators/<login>/permission")
    def permission(owner: str, name: str, login: str) -> Answer:
        repo = desk.repo(owner, name, Role.write)
        user = desk.forge.user(login)
        role = desk.forge.role_of(repo, user)
        shown = desk.shapes.user(user) | {"role_name": role.name}
        return {"permission": _PERMISSION[role], "role_name": role.name, "user": shown}


def _public_user(desk: Desk, user: User) -> Answer:
    moment = user.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    owned = sum(repo.owner is user for repo in desk.forge.repos.values())
    unknown = dict.fromkeys(("company", "location", "hireable", "bio"))
    counts = {"public_repos": owned, "public_gists": 0, "followers": 0, "following": 0}
    facts = {"name": user.name, "email": user.email, "blog": "", "user_view_type": "public"}
    return desk.shapes.user(user) | unknown | counts | facts | {"created_at": moment, "updated_at": moment}


def _refs(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/branches")
    def branches(owner: str, name: str) -> Response:
        repo = desk.repo(owner, name)
        here = desk.shapes.at.repo(repo.full_name)

        def shape(item: tuple[str, str]) -> Answer:
            commit = {"sha": item[1], "url": f"{here}/commits/{item[1]}"}
            return {"name": item[0], "commit": commit, "protected": item[0] in repo.protections}

        return desk.page(list(repo.git.branches().items()), shape)

    @blueprint.get("/repos/<owner>/<name>/branches/<path:branch>")
    def one_branch(owner: str, name: str, branch: str) -> Answer:
        repo = desk.repo(owner, name)
        tip = repo.git.branch(branch)
        if tip is None:
            raise not_found("Branch not found")
        return _branch(desk, repo, branch, tip)

    @blueprint.get("/repos/<owner>/<name>/branches/<path:branch>/protection")
    def protection(owner: str, name: str, branch: str) -> Answer:
        repo = desk.repo(owner, name, Role.admin)
        rules = repo.protections.get(branch)
        if rules is None:
            raise not_found("Branch not protected")
        url = f"{desk.shapes.at.repo(repo.full_name)}/branches/{branch}/protection"
        checks = {"strict": False, "contexts": list(rules.contexts), "checks": []}
        reviews = {
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False,
            "required_approving_review_count": rules.approvals,
        }
        return {"url": url, "required_status_checks": checks, "required_pull_request_reviews": reviews}

    @blueprint.get("/repos/<owner>/<name>/rules/branches/<path:branch>")
    def rules(owner: str, name: str, branch: str) -> Response:
        found = desk.repo(owner, name).protections.get(branch)
        contexts = [{"context": context} for context in found.contexts] if found else []
        checks = {"required_status_checks": contexts, "strict_required_status_checks_policy": False}
        rule = {"type": "required_status_checks", "parameters": checks}
        return desk.page([rule] if contexts else [], lambda one: one)


def _git_refs(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/git/ref/<path:ref>")
    def one_ref(owner: str, name: str, ref: str) -> Answer:
        repo = desk.repo(owner, name)
        sha = repo.git.ref(f"refs/{ref}")
        if sha is None:
            raise not_found()
        return desk.shapes.ref(repo, f"refs/{ref}", sha)

    @blueprint.get("/repos/<owner>/<name>/git/tags/<sha>")
    def one_tag(owner: str, name: str, sha: str) -> Answer:
        repo = desk.repo(owner, name)
        found = repo.git.annotated(sha)
        if found is None:
            raise not_found()
        name_of_it, kind, target = found
        here = f"{desk.shapes.at.repo(repo.full_name)}/git"
        return {
            "tag": name_of_it,
            "sha": sha,
            "url": f"{here}/tags/{sha}",
            "object": {"type": kind, "sha": target, "url": f"{here}/{kind}s/{target}"},
        }

    @blueprint.get("/repos/<owner>/<name>/git/matching-refs/<path:ref>")
    def matching_refs(owner: str, name: str, ref: str) -> Response:
        repo = desk.repo(owner, name)
        found = [item for item in repo.git.refs("refs/").items() if item[0].startswith(f"refs/{ref}")]
        return desk.page(found, lambda item: desk.shapes.ref(repo, *item))


def _branch(desk: Desk, repo: Repo, branch: str, tip: str) -> Answer:
    url = f"{desk.shapes.at.repo(repo.full_name)}/branches/{branch}"
    rules = repo.protections.get(branch)
    page = f"{desk.shapes.at.web}/{repo.full_name}/tree/{branch}"
    checks = {
        "enforcement_level": "non_admins" if rules else "off",
        "contexts": list(rules.contexts) if rules else [],
        "checks": [],
    }
    return {
        "name": branch,
        "commit": desk.shapes.commit(repo, repo.git.commit(tip)),
        "_links": {"self": url, "html": page},
        "protected": rules is not None,
        "protection": {"enabled": rules is not None, "required_status_checks": checks},
        "protection_url": f"{url}/protection",
    }


def _commits(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/commits")
    def commits(owner: str, name: str) -> Response:
        repo = desk.repo(owner, name)
        start = repo.git.resolve(request.args.get("sha") or repo.default_branch)
        if start is None:
            raise ForgeError("conflict", "Git Repository is empty.")
        found = repo.git.commits(start, path=request.args.get("path", ""), limit=1_000)
        return desk.page(found, lambda commit: desk.shapes.commit(repo, commit))

    @blueprint.get("/repos/<owner>/<name>/commits/<path:ref>")
    def one_commit(owner: str, name: str, ref: str) -> Answer:
        repo = desk.repo(owner, name)
        found = repo.git.commit(desk.commit(repo, ref))
        return desk.shapes.commit(repo, found, full=True)

    @blueprint.get("/repos/<owner>/<name>/compare/<path:basehead>")
    def compare(owner: str, name: str, basehead: str) -> Answer:
        repo = desk.repo(owner, name)
        base, dots, head = basehead.partition("...")
        if not dots:
            raise not_found()
        found = _compared(desk, repo, base), _compared(desk, repo, head)
        return desk.shapes.comparison(repo, basehead, *found)


def _compared(desk: Desk, repo: Repo, name: str) -> str:
    owner, colon, ref = name.partition(":")
    source = repo
    if colon and owner.lower() != repo.owner.login.lower():
        forks = [other for other in desk.forge.repos.values() if repo in (other.parent, other)]
        source = next((one for one in forks if one.owner.login.lower() == owner.lower()), repo)
    sha = source.git.resolve(ref if colon else name)
    if sha is None:
        raise not_found()
    if source is not repo:
        repo.git.fetch_from(source.git, sha)
    return sha


def _contents(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/git/trees/<path:sha>")
    def tree(owner: str, name: str, sha: str) -> Answer:
        repo = desk.repo(owner, name)
        commit = repo.git.resolve(sha)
        top = repo.git.commit(commit).tree if commit else sha
        if repo.git.object_type(top) != "tree":
            raise not_found()
        return desk.shapes.tree(repo, top, repo.git.tree(top, recursive="recursive" in request.args))

    @blueprint.get("/repos/<owner>/<name>/contents/", defaults={"path": ""})
    @blueprint.get("/repos/<owner>/<name>/contents/<path:path>")
    def contents(owner: str, name: str, path: str) -> Answer | list[Answer]:
        repo = desk.repo(owner, name)
        ref = request.args.get("ref") or repo.default_branch
        commit = repo.git.resolve(ref)
        if commit is None:
            raise not_found(f"No commit found for the ref {ref}")
        clean = path.strip("/")
        if ".." in clean.split("/"):
            raise invalid("path cannot contain ..", "path")
        entry = repo.git.tree(commit, clean) if clean else []
        if clean and not entry:
            raise not_found()
        if clean and entry[0].type == "blob":
            return desk.shapes.content(repo, ref, entry[0], repo.git.blob(entry[0].sha))
        listed = repo.git.tree(commit, f"{clean}/" if clean else "")
        return [desk.shapes.content(repo, ref, one) for one in listed]
