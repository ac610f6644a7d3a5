"""The world that Terraform reads and changes: it counts what is done to it, and holds whoever asks at a gate.

What a run reads (a module, another state) and what its apply does (a call by `local-exec`) are requests to a
small HTTP server. So a test knows how far a run has come, keeps it there, and sees what was done twice.
"""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

# Nobody is held for longer, in seconds: a test that fails must not leave processes behind.
_LONGEST = 120.0

_STATE = {
    "version": 4,
    "terraform_version": "1.5.0",
    "serial": 1,
    "lineage": "11111111-2222-3333-4444-555555555555",
    "outputs": {"fact": {"value": "known", "type": "string"}},
    "resources": [],
}


class Outside(ThreadingHTTPServer):
    """Answers `/module/SCENE.zip`, `/fact/SCENE` and `/effect/SCENE/NAME/RUN`, when their gates are open.

    Gates are called `SCENE/init`, `SCENE/plan` and `SCENE/NAME`; they are open until they are shut.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._gates: dict[str, threading.Event] = {}
        self._waiting: Counter[str] = Counter()
        self._effects: Counter[tuple[str, str, str]] = Counter()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open_all()
        self.shutdown()
        self.server_close()

    def shut(self, gate: str) -> None:
        """Hold whoever comes to a gate from now on."""
        with self._lock:
            self._gates[gate] = threading.Event()
            self._waiting[gate] = 0

    def open(self, gate: str) -> None:
        """Let through whoever waits at a gate, and whoever comes."""
        self._gates[gate].set()

    def open_all(self, scene: str = "") -> None:
        """Open every gate, or every gate of a scene."""
        with self._lock:
            for name, gate in self._gates.items():
                if scene in ("", name.partition("/")[0]):
                    gate.set()

    def reached(self, gate: str) -> bool | None:
        """True once somebody waits at a gate that is shut, None before."""
        with self._lock:
            return self._waiting[gate] > 0 or None

    def effects(self, scene: str, run_id: str) -> dict[str, int]:
        """Return how often a run has begun each of its effects."""
        with self._lock:
            return {name: n for (s, name, run), n in self._effects.items() if (s, run) == (scene, run_id)}

    def all_effects(self) -> dict[tuple[str, str, str], int]:
        """Return how often each effect was begun, by scene, name and run."""
        with self._lock:
            return dict(self._effects)

    def configuration(self, scene: str) -> str:
        """Return a configuration that reads a module and a fact, and has two effects, one after the other."""
        here = f"http://127.0.0.1:{self.server_port}"
        return f"""
module "words" {{
  source = "{here}/module/{scene}.zip"
}}

data "terraform_remote_state" "fact" {{
  backend = "http"
  config  = {{ address = "{here}/fact/{scene}" }}
}}

{self._resource(scene, "first", "")}
{self._resource(scene, "second", "terraform_data.first")}
"""

    def step(self, scene: str, name: str) -> str:
        """Return a resource that has one effect when it is made."""
        return f'resource "terraform_data" "{name}" {{{self._provisioner(scene, name)}}}\n'

    def _resource(self, scene: str, name: str, after: str) -> str:
        return f"""
resource "terraform_data" "{name}" {{
  input      = "${{module.words.word}} ${{data.terraform_remote_state.fact.outputs.fact}}"
  depends_on = [{after}]{self._provisioner(scene, name)}}}
"""

    def _provisioner(self, scene: str, name: str) -> str:
        request = rf"GET /effect/{scene}/{name}/$TFC_RUN_ID HTTP/1.0\\r\\n\\r\\n"
        call = f'exec 3<>/dev/tcp/127.0.0.1/{self.server_port}; printf \\"{request}\\" >&3; exec cat <&3'
        return f"""
  provisioner "local-exec" {{
    interpreter = ["/bin/bash", "-c"]
    command     = "{call} >/dev/null"
  }}
"""

    def answer(self, path: str) -> bytes:
        """Answer a request as soon as its gate lets it through."""
        kind, scene, *rest = path.strip("/").split("/")
        match kind:
            case "module":
                self._pass(f"{scene.removesuffix('.zip')}/init")
                return _module()
            case "fact":
                self._pass(f"{scene}/plan")
                return json.dumps(_STATE).encode()
            case _:
                name, run_id = rest
                with self._lock:
                    self._effects[scene, name, run_id] += 1
                self._pass(f"{scene}/{name}")
                return b"done"

    def _pass(self, gate: str) -> None:
        with self._lock:
            found = self._gates.get(gate)
            if found is None or found.is_set():
                return
            self._waiting[gate] += 1
        found.wait(_LONGEST)


class _Handler(BaseHTTPRequestHandler):
    server: Outside

    def do_GET(self) -> None:
        body = self.server.answer(self.path.partition("?")[0])
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            return  # whoever asked was killed

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _module() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.tf", 'output "word" {\n  value = "well"\n}\n')
    return packed.getvalue()


class Stranger(ThreadingHTTPServer):
    """Answers at the address of a server that was killed, always the same; `asked` are the methods so far."""

    daemon_threads = True

    def __init__(self, url: str, status: int) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        super().__init__((host, int(port)), _Stranger)
        self.status = status
        self.asked: set[str] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Stranger(BaseHTTPRequestHandler):
    server: Stranger

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.add(self.command)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_UNLOCK = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
