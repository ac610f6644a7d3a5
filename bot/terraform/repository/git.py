"""Calls Git without any of the machine's configuration, hooks or prompts, and puts its errors into words.

Credentials go by Git's configuration in the environment: never in a URL, an argument or a log (promise 6).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bot.domain.errors import EngineError, RemoteUnavailable, TimedOut
from bot.domain.runs.masking import Masker, mask
from bot.services.ports import GitRemote, Watch
from bot.terraform.processes import process
from bot.terraform.processes.environment import ambient
from bot.terraform.processes.transcript import Transcript
from bot.terraform.sandbox import SAFE_PATH

_LOCAL_SECONDS = 300
_PROBE_SECONDS = 10
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    # Within our lock, or it would still be at work when the next fetch begins.
    "gc.autoDetach": "false",
    # The checkout looks for a commit's ref by its file.
    "gc.packRefs": "false",
    "fetch.recurseSubmodules": "false",
    # Merges follow the repository's files alone. A driver for merges would be a program.
    "core.attributesFile": os.devnull,
    "protocol.version": "2",
}
_UNREACHABLE = re.compile(
    r"could not resolve|failed to connect|couldn't connect|connection (?:refused|reset|timed out)|timed? out"
    r"|unable to access|early eof|hung up|rpc failed|ssl|certificate|returned error: (?:5\d\d|429)",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"authentication failed|could not read (?:username|password)|returned error: 40[134]"
    r"|terminal prompts disabled"
    r"|not found|permission denied|access denied|does not appear to be a git repository",
    re.IGNORECASE,
)
_UNKNOWN_TOKEN = re.compile(
    r"authentication failed|could not read (?:username|password)|returned error: 401"
    r"|terminal prompts disabled",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"not our ref|couldn't find remote ref|unadvertised object|no such remote ref|remote error: upload-pack",
    re.IGNORECASE,
)


class GitFailed(EngineError):
    """Git said no, and it is neither the network nor the remote: the mirror may be at fault."""


class RemoteRefused(EngineError):
    """The remote does not let us in: neither time nor a new mirror would help."""


class TokenRefused(RemoteRefused):
    """The remote does not know our token (401): a new one may help."""


class CommitNotFound(EngineError):
    """The remote does not have the commit."""


def git_version(path: str) -> tuple[int, ...]:
    """Return the version of the Git that is found on a PATH. Raises EngineError if it finds none."""
    environment = {"PATH": path, "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(
            ["git", "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            cwd="/",
            timeout=_PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError("git is not on this machine's PATH, or can't be started") from error
    return tuple(int(number) for number in re.findall(rb"\d+", done.stdout)[:3])


def installed(passed: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the Git that we find is installed, if that is in a place of its own (`/opt/git`)."""
    found = shutil.which("git", path=passed.get("PATH", SAFE_PATH))
    return (Path(found).resolve().parent.parent,) if found else ()


class Git:
    """Git, working on one mirror. Of `passed`, the worker's environment, proxies and CAs get through."""

    def __init__(self, mirror: Path, remote: GitRemote, passed: Mapping[str, str]) -> None:
        self._mirror = mirror
        self._remote = remote
        self._path = passed.get("PATH", SAFE_PATH)
        header = remote.auth_header
        if header and not header.lower().startswith("authorization:"):
            header = f"Authorization: {header}"
        self._secrets = (header, header.partition(":")[2].strip(), header.split(" ")[-1]) if header else ()
        self._environment = _environment(mirror, remote.url, header, passed)

    def local(self, *args: str, given: bytes = b"", **more: str) -> bytes:
        """Run a command that needs no network; return what it prints. `more` is added to the environment.

        `given` is what it reads.
        Raises GitFailed.
        """
        return self.answer((0,), *args, given=given, **more)[1]

    def answer(
        self, codes: Collection[int], *args: str, given: bytes = b"", **more: str
    ) -> tuple[int, bytes]:
        """Run a command that answers by its exit code too; return both. `codes` are those of answers.

        Raises GitFailed, as `local` does.
        """
        try:
            done = subprocess.run(
                ["git", *args],
                input=given,
                capture_output=True,
                env={**self._environment, **more},
                cwd=self._mirror.parent,
                timeout=_LOCAL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GitFailed(f"git {args[0]} took longer than {_LOCAL_SECONDS} seconds") from error
        except OSError as error:
            raise GitFailed(f"git can't be started: {error.strerror}") from error
        if done.returncode not in codes:
            raise GitFailed(f"git {args[0]} failed: {self._words(done.stderr)}")
        return done.returncode, done.stdout

    def version(self) -> tuple[int, ...]:
        """Return the version of the Git that is called here. Raises EngineError if there is none."""
        return git_version(self._path)

    def fetch(self, watch: Watch, limit: float, *args: str) -> None:
        """Fetch from the remote; `limit` is in seconds.

        Raises CommitNotFound, RemoteRefused, RemoteUnavailable, TimedOut, Interrupted, else GitFailed.
        """
        # Without a scheme Git takes what stands before a colon for a host, or starts a helper of that name.
        if urlsplit(self._remote.url).scheme not in ("https", "http", "file"):
            raise RemoteRefused("a repository is fetched over https or http alone")
        said = Transcript(Masker(self._secrets), lambda _: None)
        command = process.Command(
            argv=("git", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *args),
            environment=self._environment,
            cwd=self._mirror,
            scratch=self._mirror,
        )
        done = process.run(command, watch, said, limit=limit, grace=5)
        name = self._remote.repo.path
        try:
            done.check("the fetch", limit)
        except TimedOut as error:
            raise TimedOut(f"{name} could not be fetched: {error}") from None
        if not done.code:
            return
        words = said.everything()
        short = self._words(words.encode())
        if _MISSING.search(words):
            raise CommitNotFound(f"the commit was not found in {name}: {short}")
        if _REFUSED.search(words):
            refused = TokenRefused if _UNKNOWN_TOKEN.search(words) else RemoteRefused
            raise refused(f"{name} could not be fetched; it is not there, or we may not read it: {short}")
        if _UNREACHABLE.search(words):
            raise RemoteUnavailable(f"{name} could not be fetched: {short}")
        raise GitFailed(f"{name} could not be fetched: {short}")

    def _words(self, stderr: bytes) -> str:
        """Return the first telling line of Git's, without paths of this machine and without credentials."""
        text = mask(stderr.decode(errors="replace"), self._secrets).replace(str(self._mirror), "the mirror")
        text = re.sub(r"://[^/@\s]+@", "://", text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
        return re.sub(r"^(?:fatal|error): ", "", telling[0])[:300] if telling else "it gave no reason"


def _environment(mirror: Path, url: str, header: str, passed: Mapping[str, str]) -> dict[str, str]:
    settings = {**_SETTINGS, "remote.origin.url": url}
    if header:
        settings[f"http.{url}.extraHeader"] = header
    local = urlsplit(url).scheme == "file"
    environment = {
        **ambient(passed),
        "PATH": passed.get("PATH", SAFE_PATH),
        "HOME": str(mirror),
        "LC_ALL": "C.UTF-8",
        "GIT_DIR": str(mirror),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_ALLOW_PROTOCOL": "file" if local else "https:http",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    if authority := passed.get("SSL_CERT_FILE"):
        environment["GIT_SSL_CAINFO"] = authority
    for number, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment
