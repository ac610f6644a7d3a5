"""Git as a child process that heeds no settings but the repository's own."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def git_environment(**extra: str) -> dict[str, str]:
    """Give the environment for Git: nothing of the caller's own settings may change what it does."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    } | extra


def run_git(
    where: Path,
    *args: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Run Git in a folder, and raise CalledProcessError if it fails (unless told not to)."""
    environment = git_environment(**(env or {}))
    done = subprocess.run(
        ["git", *args], cwd=where, input=stdin, env=environment, capture_output=True, check=False
    )
    if check and done.returncode:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return done
