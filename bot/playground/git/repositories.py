"""The Git side of a repository: refs, commits, trees and merges in a bare repository, by Git itself."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.playground.git.diffs import FileChange, read_changes
from bot.playground.git.process import run_git

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOBODY = "0" * 40
_SHA = re.compile(r"[0-9a-f]{7,40}")
_COMMIT_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00%x01"
# http-backend hands this on to receive-pack's hook: the one exact account of what a push moved.
MOVED_VARIABLE = "PLAYGROUND_MOVED_REFS"
_POST_RECEIVE = f'#!/bin/sh\nexec cat > "${{{MOVED_VARIABLE}:-/dev/null}}"\n'
# What is played with need not survive a power cut: without syncing, all is several times as quick.
_SETTINGS = """
[uploadpack]
\tallowAnySHA1InWant = true
\tallowFilter = true
[http]
\treceivepack = true
[receive]
\thideRefs = refs/pull
\thideRefs = refs/merge-requests
[core]
\tlogAllRefUpdates = false
\tfsync = none
[gc]
\tauto = 0
"""


@dataclass(frozen=True)
class Signature:
    """Who made a commit, and when (ISO 8601 with the person's own offset)."""

    name: str
    email: str
    date: str = ""


@dataclass(frozen=True)
class Commit:
    """A commit as `git log` tells it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True)
class TreeEntry:
    """One line of `git ls-tree -l`."""

    mode: str
    type: str
    sha: str
    size: int | None
    path: str


class GitRepository:
    """A bare repository on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changes: dict[tuple[str, str], list[FileChange]] = {}

    @classmethod
    def create(cls, path: Path, default_branch: str) -> GitRepository:
        """Make an empty repository."""
        path.mkdir(parents=True, exist_ok=True)
        repository = cls(path)
        repository.git("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}", ".")
        repository._settle()
        return repository

    @classmethod
    def clone(cls, source: GitRepository, path: Path) -> GitRepository:
        """Copy the branches and tags of another repository, but not its pull requests."""
        repository = cls.create(path, source.git("symbolic-ref", "--short", "HEAD"))
        specs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        repository.git("fetch", "--quiet", "--no-write-fetch-head", str(source.path), *specs)
        return repository

    def _settle(self) -> None:
        config = self.path / "config"
        if _SETTINGS not in config.read_text():
            config.write_text(config.read_text() + _SETTINGS)
        hook = self.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_POST_RECEIVE)
        hook.chmod(0o755)

    def run(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run Git here, and raise CalledProcessError if it fails (unless told not to)."""
        return run_git(self.path, *args, stdin=stdin, env=env, check=check)

    def git(self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run Git here and give what it says, stripped."""
        return self.run(*args, stdin=stdin, env=env).stdout.decode("utf-8", "replace").strip()

    def refs(self, prefix: str = "refs/heads/") -> dict[str, str]:
        """List the refs under a prefix with their objects."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def branches(self) -> dict[str, str]:
        """List the branches with their commits."""
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in self.refs().items()}

    def ref(self, full_name: str) -> str | None:
        """Give the object that a full ref name points to."""
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", full_name, check=False)
        return done.stdout.decode().strip() or None if full_name.startswith("refs/") else None

    def annotated(self, sha: str) -> tuple[str, str, str] | None:
        """Give the name of an annotated tag's object, and the type and hash of what it points to."""
        if not _SHA.fullmatch(sha) or self.run("cat-file", "-t", sha, check=False).stdout != b"tag\n":
            return None
        lines = self.git("cat-file", "tag", sha).partition("\n\n")[0].splitlines()
        said = dict(line.split(" ", 1) for line in lines)
        return said["tag"], said["type"], said["object"]

    def branch(self, name: str) -> str | None:
        """Give the commit at the tip of a branch."""
        return self.ref(f"refs/heads/{name}")

    def resolve(self, name: str) -> str | None:
        """Give the commit that a branch, a tag, a partial ref (`heads/x`) or a hash means."""
        candidates = [f"refs/heads/{name}", f"refs/tags/{name}", f"refs/{name}"]
        if _SHA.fullmatch(name):
            # A full hash is not the name of a branch; an abbreviated one may be.
            candidates = [name] if len(name) == 40 else [*candidates, name]
        for candidate in candidates:
            asked = f"{candidate}^{{commit}}"
            done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", asked, check=False)
            if done.returncode == 0:
                return done.stdout.decode().strip()
        return None

    def commits(self, *revisions: str, path: str = "", limit: int = 250) -> list[Commit]:
        """List commits, newest first."""
        out = self.git(
            "log",
            "--topo-order",
            f"--max-count={limit}",
            f"--format={_COMMIT_FORMAT}",
            *revisions,
            "--",
            *([path] if path else []),
        )
        found = []
        for record in out.split("\x00\x01"):
            if record.strip():
                sha, tree, parents, an, ae, ai, cn, ce, ci, body = record.strip("\n").split("\x00")
                author, committer = Signature(an, ae, ai), Signature(cn, ce, ci)
                found.append(Commit(sha, tree, tuple(parents.split()), author, committer, body.rstrip("\n")))
        return found

    def commit(self, sha: str) -> Commit:
        """Give one commit."""
        return self.commits(sha, limit=1)[0]

    def count(self, base: str, head: str) -> int:
        """Count the commits that head has and base has not."""
        return int(self.git("rev-list", "--count", f"{base}..{head}"))

    def merge_base(self, one: str, other: str) -> str | None:
        """Give the best common ancestor."""
        return self.run("merge-base", one, other, check=False).stdout.decode().strip() or None

    def contains(self, commit: str, ancestor: str) -> bool:
        """Tell whether a commit has the other one among its ancestors."""
        return self.run("merge-base", "--is-ancestor", ancestor, commit, check=False).returncode == 0

    def changes(self, base: str, head: str) -> list[FileChange]:
        """List the files that differ from base to head, with their patches."""
        if (base, head) not in self._changes:
            if len(self._changes) > 100:
                self._changes.clear()
            self._changes[base, head] = read_changes(self, base, head)
        return self._changes[base, head]

    def changes_of(self, commit: Commit) -> list[FileChange]:
        """List the files that a commit changed against its first parent."""
        empty = self.git("hash-object", "-t", "tree", "--stdin", stdin=b"")
        return self.changes(commit.parents[0] if commit.parents else empty, commit.sha)

    def changes_since_fork(self, base: str, head: str) -> list[FileChange]:
        """List the files that head changed since it left base: what a pull request shows."""
        return self.changes(self.merge_base(base, head) or base, head)

    def tree(self, tree: str, path: str = "", *, recursive: bool = False) -> list[TreeEntry]:
        """List a tree, or one path in it (with a slash at its end: what the path holds)."""
        flags = ["-r", "-t"] if recursive else []
        where = ["--", path] if path else []
        out = self.git("--literal-pathspecs", "ls-tree", "-l", "-z", *flags, tree, *where)
        entries = []
        for line in filter(None, out.split("\0")):
            facts, name = line.split("\t", 1)
            mode, kind, sha, size = facts.split()
            entries.append(TreeEntry(mode, kind, sha, int(size) if size.isdigit() else None, name))
        return entries

    def blob(self, sha: str) -> bytes:
        """Give a file's content."""
        return self.run("cat-file", "blob", sha).stdout

    def object_type(self, sha: str) -> str:
        """Tell what kind of object a hash names; nothing if there is none."""
        known = re.fullmatch(r"[0-9a-f]{4,40}", sha)
        return self.run("cat-file", "-t", sha, check=False).stdout.decode().strip() if known else ""

    def update_ref(self, ref: str, new: str, old: str = "") -> None:
        """Move a ref if it still points at the expected commit."""
        self.git("update-ref", ref, new, *([old] if old else []))

    def delete_ref(self, ref: str) -> None:
        """Remove a ref."""
        self.git("update-ref", "-d", ref)

    def fetch_from(self, other: GitRepository, *specs: str) -> None:
        """Bring over objects (and refs) of another repository on this disk."""
        self.git("fetch", "--quiet", "--no-write-fetch-head", str(other.path), *specs)

    def merged_tree(self, base: str, head: str) -> str | None:
        """Merge without a working tree; None if there is a conflict."""
        done = self.run("merge-tree", "--write-tree", "--no-messages", base, head, check=False)
        return done.stdout.decode().split("\n", 1)[0] if done.returncode == 0 else None

    def commit_tree(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: Signature,
        committer: Signature | None = None,
    ) -> str:
        """Write a commit."""
        by = committer or author
        env = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": by.name,
            "GIT_COMMITTER_EMAIL": by.email,
        }
        if author.date:
            env["GIT_AUTHOR_DATE"] = author.date
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.git("commit-tree", tree, *flags, stdin=message.encode(), env=env)

    def commit_files(
        self,
        ref: str,
        parent: str | None,
        files: Mapping[str, str | bytes | None],
        message: str,
        by: Signature,
    ) -> str:
        """Commit changed files on top of a parent and move a ref there; None as content removes a file."""
        person = f"{by.name} <{by.email}> now".encode()
        stream = [b"commit %s\nmark :1\nauthor %s\ncommitter %s" % (ref.encode(), person, person)]
        stream.append(_data(message.encode()))
        if parent:
            stream.append(b"from " + parent.encode())
        for path, content in files.items():
            name = path.encode()
            if content is None:
                stream.append(b"D " + name)
            else:
                stream.append(b"M 100644 inline " + name)
                stream.append(_data(content.encode() if isinstance(content, str) else content))
        stream.append(b"get-mark :1\n")
        return self.git("fast-import", "--quiet", "--force", "--date-format=now", stdin=b"\n".join(stream))

    def rebased(self, base: str, head: str, committer: Signature) -> str | None:
        """Put head's commits on top of base; None if there is a conflict."""
        env = {"GIT_COMMITTER_NAME": committer.name, "GIT_COMMITTER_EMAIL": committer.email}
        with tempfile.TemporaryDirectory() as scratch:
            self.git("worktree", "add", "--quiet", "--detach", "--force", scratch, head)
            try:
                tree = GitRepository(Path(scratch))
                done = tree.run("rebase", "--quiet", "--force-rebase", base, env=env, check=False)
                return tree.git("rev-parse", "HEAD") if done.returncode == 0 else None
            finally:
                self.git("worktree", "remove", "--force", scratch)


def _data(content: bytes) -> bytes:
    return b"data %d\n%s" % (len(content), content)
