"""What changed between two trees, file by file, as a forge lists it: status, counts, and the patch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
_RENAMES = ("-M", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True)
class FileChange:
    """One file of a diff. `patch` is None for binary files and pure renames."""

    path: str
    previous: str | None
    status: str
    sha: str
    additions: int
    deletions: int
    patch: str | None


class Git(Protocol):
    """Git in one repository."""

    def git(self, *args: str) -> str:
        """Return what a Git command prints."""
        ...

    def run(self, *args: str) -> CompletedProcess[bytes]:
        """Run a Git command."""
        ...


def read_changes(repository: Git, base: str, head: str) -> list[FileChange]:
    """Read the diff of two trees or commits."""
    raw = list(_raw(repository.git("diff-tree", "-r", "-z", "--raw", "--no-abbrev", *_RENAMES, base, head)))
    counts = _counts(repository.git("diff-tree", "-r", "-z", "--numstat", *_RENAMES, base, head))
    patch = repository.run("diff-tree", "-r", "-p", *_RENAMES, base, head).stdout.decode("utf-8", "replace")
    # Lines of a patch start with a blank, a sign or a backslash, so this can only be a file's header.
    sections = iter(re.split(r"^diff --git .*\n", patch, flags=re.MULTILINE)[1:])
    changes = []
    for letter, sha, previous, path in raw:
        body = next(sections, "")
        if letter == "T":
            # A file that turned into a link is shown as removed and added.
            body += next(sections, "")
        hunks = re.search(r"^@@ .*", body, flags=re.MULTILINE | re.DOTALL)
        added, removed = counts.get(path, (0, 0))
        text = hunks.group().rstrip("\n") if hunks else None
        changes.append(FileChange(path, previous, _STATUS[letter], sha, added, removed, text))
    return changes


def _raw(out: str) -> Iterator[tuple[str, str, str | None, str]]:
    fields = iter(out.rstrip("\0").split("\0")) if out else iter(())
    for facts in fields:
        _, _, old, new, letters = facts.split()
        letter = letters[0]
        first = next(fields)
        previous, path = (first, next(fields)) if letter in "RC" else (None, first)
        yield letter, old if letter == "D" else new, previous, path


def _counts(out: str) -> dict[str, tuple[int, int]]:
    counts = {}
    fields = iter(out.rstrip("\0").split("\0")) if out else iter(())
    for facts in fields:
        added, removed, path = facts.split("\t")
        if not path:
            next(fields)
            path = next(fields)
        counts[path] = (int(added), int(removed)) if added != "-" else (0, 0)
    return counts
