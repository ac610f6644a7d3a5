"""A release server on this machine: real archives, real lists of checksums, real signatures by `gpg`."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.processes.environment import platform_name


def program(version: str, kind: str = "terraform") -> bytes:
    """Return a program that only knows its version."""
    return f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\' # {kind}\n'.encode()


def archive(name: str, content: bytes, **more: bytes) -> bytes:
    """Return a zip as releases are: the program at the top, and a licence."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("LICENSE.txt", "free")
        file.writestr(name, content)
        for path, data in more.items():
            file.writestr(path, data)
    return packed.getvalue()


class Signer:
    """A key of its own."""

    def __init__(self, home: Path) -> None:
        if shutil.which("gpg") is None or shutil.which("gpgv") is None:
            pytest.skip("gpg and gpgv (package gnupg) are not on this machine")
        home.mkdir(mode=0o700)
        self._home = home
        self._gpg("--quick-generate-key", "signer <signer@example.org>", "ed25519", "sign", "1d")
        self.armored = home / "keys.asc"
        self.armored.write_bytes(self._gpg("--armor", "--export"))
        self.binary = home / "keys.gpg"
        self.binary.write_bytes(self._gpg("--export"))

    def sign(self, data: bytes) -> bytes:
        """Return a detached signature."""
        return self._gpg("--detach-sign", data=data)

    def close(self) -> None:
        """End the agent that gpg has started."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False)

    def _gpg(self, *args: str, data: bytes = b"") -> bytes:
        quiet = ("--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
        argv = ["gpg", "--homedir", str(self._home), *quiet, *args]
        done = subprocess.run(argv, input=data, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


class ReleaseServer(http.server.ThreadingHTTPServer):
    """Serves `files` by path; `answers` may answer otherwise, `asked` holds each path that was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, Callable[[Any], None]] = {}
        self.asked: list[str] = []
        self.base = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def publish(
        self,
        version: str,
        kind: EngineKind = EngineKind.TERRAFORM,
        *,
        signer: Signer | None = None,
        content: bytes | None = None,
    ) -> str:
        """Put a release here, signed where there is a signer; return its archive's checksum."""
        name = kind.value
        terraform = kind is EngineKind.TERRAFORM
        folder = f"/terraform/{version}" if terraform else f"/v{version}"
        zipped = archive(name, program(version, name)) if content is None else content
        file = f"{name}_{version}_{platform_name()}.zip"
        checksum = hashlib.sha256(zipped).hexdigest()
        sums = f"{'0' * 64}  {name}_{version}_plan9_mips.zip\n{checksum}  {file}\n".encode()
        self.files[f"{folder}/{file}"] = zipped
        self.files[f"{folder}/{name}_{version}_SHA256SUMS"] = sums
        if signer is not None:
            suffix = "sig" if terraform else "gpgsig"
            self.files[f"{folder}/{name}_{version}_SHA256SUMS.{suffix}"] = signer.sign(sums)
        self._list(kind, version, file)
        return checksum

    def _list(self, kind: EngineKind, version: str, file: str) -> None:
        files = [file, f"{kind.value}_{version}_SHA256SUMS"]
        if kind is EngineKind.TERRAFORM:
            path, empty = "/terraform/index.json", b'{"versions": {}}'
            document = json.loads(self.files.get(path, empty))
            document["versions"][version] = {"version": version, "builds": [{"filename": f} for f in files]}
        else:
            path, empty = "/api.json", b'{"versions": []}'
            document = json.loads(self.files.get(path, empty))
            document["versions"].append({"id": version, "files": files})
        self.files[path] = json.dumps(document).encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ReleaseServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if answer := self.server.answers.get(self.path):
            answer(self)
            return
        data = self.server.files.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def checksums_file(folder: Path, **lines: str) -> Path:
    """Write a file of checksums, `terraform_1_9_5=...` for this machine's archive; return it."""
    text = "# what we trust\n\n"
    for name, checksum in lines.items():
        kind, _, version = name.partition("_")
        text += f"{checksum}  {kind}_{version.replace('_', '.')}_{platform_name()}.zip\n"
    path = folder / "checksums"
    path.write_text(text)
    return path
