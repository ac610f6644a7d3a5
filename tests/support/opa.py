"""OPA for the tests: made once by the Go toolchain, into a cache that all test processes share."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from bot.policies.programs import Programs

VERSION = "1.22.3"
_MODULE = f"github.com/open-policy-agent/opa@v{VERSION}"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plangate-tests"
_BUILD_SECONDS = 1800


class OpaMissing(Exception):
    """There is no OPA for the tests; says why."""


@cache
def opa_path() -> Path:
    """Return the program, made if it is not there yet. Raises OpaMissing."""
    folder = _CACHE / f"opa-{VERSION}"
    program = folder / "opa"
    if os.access(program, os.X_OK):
        return program
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise OpaMissing("OPA is not here: there is no Go toolchain on this machine to make it with")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(program, os.X_OK):
            _build(go, folder)
    return program


def _build(go: str, folder: Path) -> None:
    scratch = folder / "building"
    environment = {**os.environ, "GOBIN": str(scratch), "CGO_ENABLED": "0"}
    try:
        done = subprocess.run(
            [go, "install", _MODULE],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OpaMissing("OPA is not here: making it took too long") from None
    if done.returncode:
        raise OpaMissing(f"OPA is not here: `go install {_MODULE}` failed: {done.stderr.strip()[-300:]}")
    (scratch / "opa").replace(folder / "opa")


def opa_programs() -> Programs:
    """Return what finds the tests' OPA, and nothing else on this machine. Raises OpaMissing."""
    return Programs(str(opa_path()))


def opa_or_skip() -> Programs:
    """Return what finds the tests' OPA; the test is skipped with the reason if there is none."""
    try:
        return opa_programs()
    except OpaMissing as error:
        pytest.skip(str(error))


def opa_script(version: str) -> bytes:
    """Return a program that knows an OPA's version and capabilities, and nothing else."""
    able = '{"builtins": [{"name": "count"}, {"name": "http.send"}]}'
    return f"""#!/bin/sh
case "$1" in
  version) echo 'Version: {version}' ;;
  capabilities) echo '{able}' ;;
  *) exit 1 ;;
esac
""".encode()
