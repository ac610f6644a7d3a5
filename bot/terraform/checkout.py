"""Brings commits here: a bare mirror per repository, fetched a commit at a time, and a plain tree per run.

Mirrors are only caches. One that is broken is thrown away and made anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bot.domain.errors import EngineError
from bot.services.ports import GitRemote, Stop, Watch
from bot.terraform.git import CommitNotFound, Git, GitFailed
from bot.terraform.locks import locked
from bot.terraform.runfolder import RunFolder, remove_tree

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/[A-Za-z0-9_./@#+=,%-]+")
_CONFIGURATION = (".tf", ".tf.json", ".tofu", ".tofu.json")

Result = TypeVar("Result")


class Checkout:
    """The mirrors below the data directory. `limit` is the time for one fetch, in seconds."""

    def __init__(self, data: Path, passed: Mapping[str, str], limit: float = 900) -> None:
        self._mirrors = data / "mirrors"
        self._passed = passed
        self._limit = limit

    def lay_out(self, remote: GitRemote, commit: str, ref: str, folder: RunFolder, watch: Watch) -> None:
        """Put the commit's files into the run's tree, without a `.git`. Raises EngineError."""
        index = folder.root / "index"

        def checkout(git: Git) -> None:
            git.local(
                f"--work-tree={folder.tree}", "read-tree", "--reset", "-u", commit, GIT_INDEX_FILE=str(index)
            )

        try:
            self._with_commit(remote, commit, ref, watch, checkout)
        finally:
            index.unlink(missing_ok=True)

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        """Return every directory with a configuration file at a commit, sorted; `""` is the root."""

        def names(git: Git) -> bytes:
            return git.local("ls-tree", "-r", "--name-only", "-z", commit)

        listed = self._with_commit(remote, commit, "", _Patience(), names)
        paths = listed.decode(errors="surrogateescape").split("\0")
        found = {path.rpartition("/")[0] for path in paths if path.endswith(_CONFIGURATION)}
        return tuple(sorted(name for name in found if ".terraform" not in name.split("/")))

    def _with_commit(
        self, remote: GitRemote, commit: str, ref: str, watch: Watch, use: Callable[[Git], Result]
    ) -> Result:
        """Do something with a commit, fetched first where it is not here; a broken mirror is made anew."""
        if not _COMMIT.fullmatch(commit):
            raise EngineError(f"{commit!r} is not the id of a commit")
        mirror = self._mirror(remote)
        git = Git(mirror, remote, self._passed)
        if _has(git, mirror, commit):
            try:
                return use(git)
            except GitFailed:
                pass  # the commit is here but not whole
        lock = mirror.with_suffix(".lock")
        with locked(lock, watch, limit=self._limit):
            try:
                self._fetch(git, mirror, commit, ref, watch)
                return use(git)
            except GitFailed:
                remove_tree(mirror)
            self._fetch(git, mirror, commit, ref, watch)
            return use(git)

    def _fetch(self, git: Git, mirror: Path, commit: str, ref: str, watch: Watch) -> None:
        if not (mirror / "HEAD").is_file():
            _make(git, mirror)
        elif _has(git, mirror, commit):
            return  # another worker fetched it while we waited for the lock
        # A name for what was fetched, so that the next fetch brings only what is new since.
        kept = f"refs/plangate/{hashlib.sha256((ref or commit).encode()).hexdigest()[:20]}"
        remote = "origin"
        try:
            # One commit without its history: what a run needs, however old the repository is.
            git.fetch(watch, self._limit, "--depth=1", remote, f"+{commit}:{kept}")
        except CommitNotFound:
            # Servers before protocol 2 give out only what a ref points to.
            wider = [f"+{ref}:{kept}"] if _REF.fullmatch(ref) else []
            for refspec in (*wider, "+refs/heads/*:refs/plangate/heads/*"):
                try:
                    git.fetch(watch, self._limit, remote, refspec)
                except CommitNotFound:
                    continue  # a branch may be gone by now
                if _has(git, mirror, commit):
                    return
            raise

    def _mirror(self, remote: GitRemote) -> Path:
        name = re.sub(r"[^A-Za-z0-9]+", "-", remote.repo.path).strip("-")[:60]
        return self._mirrors / f"{name}-{hashlib.sha256(remote.url.encode()).hexdigest()[:16]}.git"


def _has(git: Git, mirror: Path, commit: str) -> bool:
    if not (mirror / "HEAD").is_file():
        return False
    try:
        git.local("cat-file", "-e", f"{commit}^{{commit}}")
    except GitFailed:
        return False
    return True


def _make(git: Git, mirror: Path) -> None:
    """Make an empty mirror. `HEAD` is Git's last word on it, so one that was cut off counts as none."""
    remove_tree(mirror)
    mirror.mkdir(mode=0o700, parents=True)
    git.local("init", "--quiet", "--bare", "--template=")


class _Patience:
    """The watcher of what nobody watches."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> Stop:
        """Go on."""
        return Stop.GO_ON
