from __future__ import annotations

import base64
import dataclasses
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import EngineError, Interrupted, RemoteUnavailable
from bot.domain.events import RepoRef
from bot.services.ports import GitRemote, WatchSignal
from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository import checkout as module
from bot.terraform.repository.checkout import Checkout
from bot.terraform.repository.git import CommitNotFound, RemoteRefused
from tests.terraform.conftest import Onlooker, Repository, Rig


@pytest.fixture
def checkout(rig: Rig) -> Checkout:
    return Checkout(rig.data, os.environ, settling=())


@pytest.fixture
def laid_out(rig: Rig, onlooker: Callable[..., Onlooker], checkout: Checkout) -> Callable[..., RunFolder]:
    def lay_out(
        commit: str, ref: str = "", remote: GitRemote | None = None, watch: Onlooker | None = None
    ) -> RunFolder:
        folder = RunFolder.of(rig.data, "run-1")
        folder.create()
        checkout.lay_out(remote or rig.repository.remote, commit, ref, folder, watch or onlooker())
        return folder

    return lay_out


def files(folder: RunFolder) -> list[str]:
    return sorted(str(p.relative_to(folder.tree)) for p in folder.tree.rglob("*") if not p.is_dir())


def mirror_of(rig: Rig) -> Path:
    (mirror,) = (rig.data / "mirrors").glob("*.git")
    return mirror


def test_the_tree_is_exactly_the_commit_and_no_repository(
    rig: Rig, laid_out: Callable[..., RunFolder]
) -> None:
    old = rig.repository.commit({"a.tf": "old", "gone.tf": "x", "sub/run.sh": "#!/bin/sh\n"})
    (rig.repository.root / "gone.tf").unlink()
    new = rig.repository.commit({"a.tf": "new"})
    folder = laid_out(new)
    assert files(folder) == ["a.tf", "sub/run.sh"]
    assert (folder.tree / "a.tf").read_text() == "new"
    folder = laid_out(old)
    assert files(folder) == ["a.tf", "gone.tf", "sub/run.sh"]
    assert (folder.tree / "a.tf").read_text() == "old"


def test_a_commit_that_is_here_needs_no_remote(rig: Rig, laid_out: Callable[..., RunFolder]) -> None:
    commit = rig.repository.commit({"a.tf": "x"})
    laid_out(commit)
    shutil.rmtree(rig.repository.root)
    assert files(laid_out(commit)) == ["a.tf"]


def test_many_at_once_fetch_into_one_mirror(
    rig: Rig, onlooker: Callable[..., Onlooker], checkout: Checkout
) -> None:
    commits = [rig.repository.commit({"a.tf": str(number)}) for number in range(4)]

    def lay_out(number: int) -> str:
        folder = RunFolder.of(rig.data, f"run-{number}")
        folder.create()
        checkout.lay_out(rig.repository.remote, commits[number], "refs/heads/main", folder, onlooker())
        return (folder.tree / "a.tf").read_text()

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(lay_out, range(4))) == ["0", "1", "2", "3"]


def test_only_what_is_new_is_fetched(rig: Rig, laid_out: Callable[..., RunFolder]) -> None:
    blob = os.urandom(200_000).hex()
    laid_out(rig.repository.commit({"a.tf": "1", "large": blob}), "refs/heads/main")
    mirror = mirror_of(rig)
    before = sum(path.stat().st_size for path in mirror.rglob("*") if path.is_file())
    laid_out(rig.repository.commit({"a.tf": "2"}), "refs/heads/main")
    after = sum(path.stat().st_size for path in mirror.rglob("*") if path.is_file())
    assert after - before < 50_000


def test_a_commit_counts_as_here_as_long_as_its_ref_is_and_the_oldest_refs_go(
    rig: Rig, laid_out: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_COMMITS", 2)
    commits = [rig.repository.commit({"a.tf": str(number)}) for number in range(4)]
    for commit in commits:
        laid_out(commit, "refs/heads/main")
    kept = {path.name for path in (mirror_of(rig) / "refs" / "plangate").iterdir()}
    assert kept == {*commits[1:]}
    # What is gone is fetched again.
    assert files(laid_out(commits[0])) == ["a.tf"]


@pytest.mark.parametrize("ref", ["refs/pull/1/head", ""])
def test_a_server_that_gives_out_only_refs_is_asked_for_them(
    rig: Rig, laid_out: Callable[..., RunFolder], ref: str
) -> None:
    repository = rig.repository
    first = repository.commit({"a.tf": "1"})
    repository.git("update-ref", "refs/pull/1/head", first)
    repository.commit({"a.tf": "2"})
    # Version 0 of the protocol, as old servers speak it, refuses a commit that no ref points to.
    repository.git("config", "uploadpack.allowAnySHA1InWant", "false")
    repository.git("config", "protocol.version", "0")
    assert files(laid_out(first, ref)) == ["a.tf"]


def test_a_commit_that_is_not_there_is_told_so(rig: Rig, laid_out: Callable[..., RunFolder]) -> None:
    rig.repository.commit({"a.tf": "1"})
    with pytest.raises(CommitNotFound, match="the commit was not found in acme/infra"):
        laid_out("0123456789" * 4, "refs/heads/main")


def test_a_commit_that_comes_a_moment_later_is_waited_for(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    rig.repository.commit({"a.tf": "1"})
    elsewhere = Repository(rig.root / "elsewhere")
    commit = elsewhere.commit({"b.tf": "1"})

    def settling() -> Iterator[float]:
        rig.repository.git("fetch", "-q", str(elsewhere.root), commit)
        yield 0.01

    folder = RunFolder.of(rig.data, "run-1")
    folder.create()
    late = Checkout(rig.data, os.environ, settling=settling())
    late.lay_out(rig.repository.remote, commit, "", folder, onlooker())
    assert files(folder) == ["b.tf"]


def test_who_waits_for_a_commit_can_be_stopped(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    rig.repository.commit({"a.tf": "1"})
    folder = RunFolder.of(rig.data, "run-1")
    folder.create()
    watch = onlooker()

    def settling() -> Iterator[float]:
        watch.tick = lambda: WatchSignal.INTERRUPT  # type: ignore[method-assign]  # from here on
        yield 60

    with pytest.raises(Interrupted):
        Checkout(rig.data, os.environ, settling=settling()).lay_out(
            rig.repository.remote, "0123456789" * 4, "", folder, watch
        )


def test_what_is_no_commit_is_refused(rig: Rig, laid_out: Callable[..., RunFolder]) -> None:
    with pytest.raises(EngineError, match="not the id of a commit"):
        laid_out("--upload-pack=evil")


def test_a_repository_that_is_not_there_is_told_without_paths_of_this_machine(
    rig: Rig, laid_out: Callable[..., RunFolder]
) -> None:
    remote = GitRemote(RepoRef("test", "acme/infra"), (rig.root / "nowhere").as_uri())
    with pytest.raises(RemoteRefused, match="acme/infra could not be fetched; it is not there") as failed:
        laid_out("0123456789" * 4, remote=remote)
    assert str(rig.data) not in str(failed.value)


@pytest.mark.parametrize("url", ["ext::sh -c evil", "ssh://host/x", "/etc", "host:path"])
def test_only_http_is_spoken(laid_out: Callable[..., RunFolder], url: str) -> None:
    with pytest.raises(EngineError, match="https or http alone"):
        laid_out("0123456789" * 4, remote=GitRemote(RepoRef("test", "a/b"), url))


@pytest.mark.parametrize("damage", ["no HEAD", "no objects", "broken packs", "a file"])
def test_a_damaged_mirror_is_made_anew(rig: Rig, laid_out: Callable[..., RunFolder], damage: str) -> None:
    commit = rig.repository.commit({"a.tf": "x", "b.tf": "y"})
    laid_out(commit)
    mirror = mirror_of(rig)
    match damage:
        case "no HEAD":
            (mirror / "HEAD").unlink()
        case "no objects":
            shutil.rmtree(mirror / "objects")
        case "broken packs":
            for path in (mirror / "objects").rglob("*"):
                if path.is_file():
                    path.chmod(0o600)
                    path.write_bytes(b"nonsense")
        case _:
            shutil.rmtree(mirror)
            mirror.write_text("")
    assert files(laid_out(commit)) == ["a.tf", "b.tf"]


def test_hooks_and_the_machines_configuration_are_not_used(
    rig: Rig, laid_out: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = rig.repository.commit({"a.tf": "x"})
    trap = tmp_path / "trap"
    config = tmp_path / "gitconfig"
    config.write_text(f'[core]\n\thooksPath = {tmp_path}\n\tfsmonitor = "touch {trap}"\n')
    hook = tmp_path / "post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert files(laid_out(commit)) == ["a.tf"]
    assert not trap.exists()


def test_a_symbolic_link_in_the_tree_stays_a_link(rig: Rig, laid_out: Callable[..., RunFolder]) -> None:
    commit = rig.repository.commit({"a/main.tf": "x"}, links={"b": "/etc"})
    assert str((laid_out(commit).tree / "b").readlink()) == "/etc"


def test_a_fetch_is_stopped_by_its_watcher(
    rig: Rig, onlooker: Callable[..., Onlooker], laid_out: Callable[..., RunFolder]
) -> None:
    commit = rig.repository.commit({"a.tf": "x"})

    class Impatient(Onlooker):
        def tick(self) -> WatchSignal:
            return WatchSignal.INTERRUPT

    with pytest.raises(Interrupted):
        laid_out(commit, watch=Impatient())


def test_directories_are_those_with_configuration_files(rig: Rig, checkout: Checkout) -> None:
    names = [
        "main.tf",
        "a/x.tf.json",
        "a/b/c.tofu",
        "docs/read.md",
        "a/.terraform/modules/m/x.tf",
        "é ü/m.tf",
    ]
    commit = rig.repository.commit(dict.fromkeys(names, ""))
    assert checkout.directories(rig.repository.remote, commit) == ("", "a", "a/b", "é ü")


@pytest.fixture
def git_over_http(rig: Rig) -> Iterator[GitRemote]:
    """Git's own HTTP backend behind a password."""
    seen = []
    rig.repository.git("config", "http.receivepack", "false")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def serve(self) -> None:
            seen.append(self.headers.get("Authorization"))
            if seen[-1] != "Basic " + base64.b64encode(b"x:the-forge-token").decode():
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic realm=git")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(rig.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_ADDR": "127.0.0.1",
            }
            done = subprocess.run(
                ["git", "http-backend"], input=body, capture_output=True, env=environment, check=False
            )
            self.wfile.write(b"HTTP/1.0 200 OK\r\n" + done.stdout)

        do_GET = do_POST = serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/upstream/.git"
    yield GitRemote(RepoRef("test", "acme/infra"), url)
    server.shutdown()
    server.server_close()


def test_credentials_go_by_a_header_and_lie_nowhere(
    rig: Rig, laid_out: Callable[..., RunFolder], git_over_http: GitRemote
) -> None:
    commit = rig.repository.commit({"a.tf": "x"})
    token = base64.b64encode(b"x:the-forge-token").decode()
    remote = dataclasses.replace(git_over_http, auth_header=f"Authorization: Basic {token}")
    assert files(laid_out(commit, remote=remote)) == ["a.tf"]
    kept = b"".join(path.read_bytes() for path in rig.data.rglob("*") if path.is_file())
    assert token.encode() not in kept
    assert b"the-forge-token" not in kept


def test_wrong_credentials_are_told_without_showing_them(
    rig: Rig, laid_out: Callable[..., RunFolder], git_over_http: GitRemote
) -> None:
    commit = rig.repository.commit({"a.tf": "x"})
    remote = dataclasses.replace(git_over_http, auth_header="Authorization: Basic d3JvbmctdG9rZW4=")
    with pytest.raises(RemoteRefused, match="it is not there, or we may not read it") as failed:
        laid_out(commit, remote=remote)
    assert "d3Jvbmct" not in str(failed.value)


def test_a_token_that_the_remote_does_not_know_is_renewed_once(
    rig: Rig, laid_out: Callable[..., RunFolder], git_over_http: GitRemote
) -> None:
    commit = rig.repository.commit({"a.tf": "x"})
    asked = []

    def renewed(password: bytes) -> GitRemote:
        asked.append(password)
        header = f"Authorization: Basic {base64.b64encode(b'x:' + password).decode()}"
        return dataclasses.replace(old, auth_header=header)

    old = dataclasses.replace(
        git_over_http,
        auth_header="Authorization: Basic d3JvbmctdG9rZW4=",
        renew=lambda: renewed(b"the-forge-token"),
    )
    assert files(laid_out(commit, remote=old)) == ["a.tf"]
    assert asked == [b"the-forge-token"]
    still_wrong = dataclasses.replace(old, renew=lambda: renewed(b"wrong"))
    other = rig.repository.commit({"a.tf": "y"})
    with pytest.raises(RemoteRefused):
        laid_out(other, remote=still_wrong)
    assert asked == [b"the-forge-token", b"wrong"]


def test_a_server_that_is_down_is_told_so(laid_out: Callable[..., RunFolder]) -> None:
    remote = GitRemote(RepoRef("test", "acme/infra"), "http://127.0.0.1:9/acme/infra.git")
    with pytest.raises(RemoteUnavailable, match="acme/infra could not be fetched: "):
        laid_out("0123456789" * 4, remote=remote)
