"""Git over HTTP: `git http-backend` does the talking, and what a push moved is told to the forge."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from flask import Blueprint, Request, Response, request

from bot.playground.forge.house import Forge
from bot.playground.forge.model import ForgeError, RefMove, Repo, Role, User
from bot.playground.git.process import git_environment
from bot.playground.git.repositories import MOVED_VARIABLE
from bot.playground.web.access import who_asks

_FAREWELLS = {"unauthorized": 401, "not_found": 404, "forbidden": 403}


def git_blueprint(forge: Forge) -> Blueprint:
    """Serve clone, fetch and push of every repository."""
    blueprint = Blueprint("git", __name__)

    @blueprint.get("/<path:owner>/<name>/info/refs")
    def info_refs(owner: str, name: str) -> Response:
        return _serve(forge, owner, name, "info/refs", request.args.get("service", ""))

    @blueprint.post("/<path:owner>/<name>/git-upload-pack")
    def upload_pack(owner: str, name: str) -> Response:
        return _serve(forge, owner, name, "git-upload-pack", "git-upload-pack")

    @blueprint.post("/<path:owner>/<name>/git-receive-pack")
    def receive_pack(owner: str, name: str) -> Response:
        return _serve(forge, owner, name, "git-receive-pack", "git-receive-pack")

    return blueprint


def _serve(forge: Forge, owner: str, name: str, action: str, service: str) -> Response:
    try:
        repo, user = _admit(forge, f"{owner}/{name.removesuffix('.git')}", service)
    except ForgeError as refusal:
        headers = {"WWW-Authenticate": 'Basic realm="Playground"'} if refusal.kind == "unauthorized" else {}
        return Response(f"{refusal.message}\n", _FAREWELLS[refusal.kind], headers, mimetype="text/plain")
    body = request.get_data()
    if user is None or action != "git-receive-pack":
        return _run_backend(repo, request, action, body=body, user=user, moved="")
    # Under the lock, so that pushes are told in the order in which they took effect.
    with forge.lock, tempfile.TemporaryDirectory() as scratch:
        moved = Path(scratch) / "moved"
        response = _run_backend(repo, request, action, body=body, user=user, moved=str(moved))
        forge.refs_moved(repo, user, _read_moves(moved))
    return response


def _admit(forge: Forge, full_name: str, service: str) -> tuple[Repo, User | None]:
    if service not in ("git-upload-pack", "git-receive-pack"):
        raise ForgeError("forbidden", "Please upgrade your git client.")
    credential = who_asks(forge, request)
    user = credential.user if credential else None
    repo = forge.repos.get(full_name.lower())
    role = forge.role_of(repo, user) if repo else Role.none
    needed = Role.write if service == "git-receive-pack" else Role.read
    if user is None and role < needed:
        raise ForgeError("unauthorized", "Authentication required.")
    if repo is None or role < Role.read:
        raise ForgeError("not_found", "Repository not found.")
    if role < needed:
        raise ForgeError("forbidden", f"Permission to {repo.full_name}.git denied.")
    return repo, user


def _run_backend(
    repo: Repo, asked: Request, action: str, *, body: bytes, user: User | None, moved: str
) -> Response:
    environment = git_environment(
        GIT_PROJECT_ROOT=str(repo.git.path.parent),
        GIT_HTTP_EXPORT_ALL="1",
        PATH_INFO=f"/{repo.git.path.name}/{action}",
        REQUEST_METHOD=asked.method,
        QUERY_STRING=asked.query_string.decode("latin-1"),
        CONTENT_TYPE=asked.headers.get("Content-Type", ""),
        CONTENT_LENGTH=str(len(body)),
        HTTP_CONTENT_ENCODING=asked.headers.get("Content-Encoding", ""),
        HTTP_GIT_PROTOCOL=asked.headers.get("Git-Protocol", ""),
        GIT_PROTOCOL=asked.headers.get("Git-Protocol", ""),
        REMOTE_USER=user.login if user else "",
        REMOTE_ADDR=asked.remote_addr or "",
        **({MOVED_VARIABLE: moved} if moved else {}),
    )
    done = subprocess.run(
        ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line]
    status = next((int(value.split()[0]) for key, value in headers if key == "Status"), 200)
    if not headers:
        return Response(done.stderr, 500, mimetype="text/plain")
    return Response(content, status, [(key, value) for key, value in headers if key != "Status"])


def _read_moves(moved: Path) -> list[RefMove]:
    lines = moved.read_text().splitlines() if moved.exists() else []
    parts = [line.split(" ", 2) for line in lines]
    return [RefMove(ref, before, after) for before, after, ref in parts]
