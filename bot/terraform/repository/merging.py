"""Merges two or three commits in a mirror: the same ones give the same commit on every machine.

Only a few trees are needed: theirs, and those of the last commits that they have in common. That one is
found in a mirror that has commits without files. So a merge costs little, however old the repository is.

No program of the repository runs: there is no working tree, so its attributes do not count, and no driver for
merges is configured. File names in a conflict are hostile text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from bot.domain.errors import EngineError
from bot.domain.runs.merge_result import MergedCommit, MergeResult
from bot.services.ports import GitRemote, Watch
from bot.terraform.repository.checkout import Checkout, Patience, check_commit
from bot.terraform.repository.git import Git

OLDEST_GIT = (2, 38)
"""The oldest Git that merges without a working tree."""

MOST_CONFLICTS = 100
"""How many files of a conflict are kept."""

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Plangate",
    "GIT_AUTHOR_EMAIL": "plangate@localhost",
    "GIT_AUTHOR_DATE": "@0 +0000",
    "GIT_COMMITTER_NAME": "Plangate",
    "GIT_COMMITTER_EMAIL": "plangate@localhost",
    "GIT_COMMITTER_DATE": "@0 +0000",
}
_CLEAN, _CONFLICT = 0, 1


class MirrorMerges:
    """The MergeCommits port, on the mirrors of this machine."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    def merge(
        self,
        remote: GitRemote,
        head: str,
        base: str,
        base_branch: str,
        watch: Watch | None = None,
        first: str = "",
    ) -> MergeResult:
        """Merge a head into the commit of its base, and before it another one. Raises EngineError."""
        watch = watch or Patience()
        for commit in filter(None, (head, base, first)):
            check_commit(commit)
        made = self._merged(remote, MergedCommit("", head, base, first), watch)
        if not isinstance(made, str):
            return MergeResult(base_branch, base, "", conflicts=made, first=first)
        own = self._checkout.with_commit(remote, base, "", watch, lambda git: _own(git, base, made))
        return MergeResult(base_branch, base, made, own, first=first)

    def provide(self, remote: GitRemote, merged: MergedCommit, watch: Watch) -> None:
        """Have a merge commit in the mirror: made again if it is not here. Raises EngineError."""
        if merged.base and not self._checkout.has(remote, merged.commit):
            made = self._merged(remote, merged, watch)
            if made != merged.commit:
                raise EngineError(
                    f"the merge of {merged.head[:10]} into {merged.base[:10]} is another one on this worker: "
                    "have all workers use the same version of Git, and plan again"
                )

    def differing(
        self, remote: GitRemote, before: MergedCommit, after: MergedCommit, watch: Watch | None = None
    ) -> frozenset[str]:
        """Return the paths that differ between two commits. Raises EngineError.

        Names that are not UTF-8 have surrogates for their bytes.
        """

        def compare(git: Git) -> frozenset[str]:
            listed = git.local("diff-tree", "-r", "-z", "--name-only", "--no-renames", one, other)
            return frozenset(path for path in _texts(listed) if path)

        watch, one, other = watch or Patience(), before.commit, after.commit
        for each in (before, after):
            self.provide(remote, each, watch)
        self._checkout.with_commit(remote, one, "", watch, _nothing)
        return self._checkout.with_commit(remote, other, "", watch, compare)

    def _merged(self, remote: GitRemote, wanted: MergedCommit, watch: Watch) -> str | tuple[str, ...]:
        """Return the merge commit, or the files that conflict: an empty name if there is no common history.

        The ids of all that is made here follow from the commits that are merged.
        """
        head, base = wanted.head, wanted.base
        sides = (base, wanted.first) if wanted.first else (base,)
        if wanted.first:
            onto = self._merged(remote, MergedCommit("", wanted.first, wanted.base), watch)
            if not isinstance(onto, str):
                return onto
            base = onto

        def make(git: Git) -> str | tuple[str, ...]:
            pair = _alone(git, head, base, common[0]) if len(common) == 1 else (head, base)
            return _made(git, head, base, *pair)

        common = self._ancestors(remote, head, sides, watch)
        if not common:
            return ("",)
        for commit in (*common, *sides):
            self._checkout.with_commit(remote, commit, "", watch, _nothing)
        if len(common) > 1:
            # The branches were merged into each other: Git has to merge what they have in common, too. This
            # comes last, because a fetch of one commit cuts off the history before it.
            self._checkout.deepen(remote, watch, (head, *sides))
        made = self._checkout.with_commit(remote, head, "", watch, make)
        if isinstance(made, str):
            self._checkout.with_commit(
                remote, head, "", watch, lambda git: self._checkout.keep(git, remote, made)
            )
        return made

    def _ancestors(self, remote: GitRemote, head: str, sides: Sequence[str], watch: Watch) -> list[str]:
        """Return the last commits that a head has in common with the merge of others.

        Mostly it is one. There is none without common history.
        """
        # The first call waits for a commit that the forge does not have everywhere yet.
        for commit in (head, *sides):
            self._checkout.with_commit(remote, commit, "", watch, _nothing)
        git = self._checkout.ancestry(remote, watch, (*sides, head))
        _check_version(git)
        # Of more than two commits, Git compares the first with a merge of all others.
        _, said = git.answer((0, 1), "merge-base", "--all", head, *sides)
        return said.decode().split()


def _made(git: Git, head: str, base: str, theirs: str, ours: str) -> str | tuple[str, ...]:
    """Merge two commits that stand for the head and the base."""
    options = ("--write-tree", "-z", "--name-only", "--no-messages")
    code, said = git.answer((_CLEAN, _CONFLICT), "merge-tree", *options, ours, theirs)
    tree, *names = _texts(said)
    if code == _CONFLICT:
        return tuple(sorted({_printable(name) for name in names if name}))[:MOST_CONFLICTS]
    words = f"Merge {head} into {base}\n"
    return _commit(git, tree, words, base, head)


def _alone(git: Git, head: str, base: str, common: str) -> tuple[str, str]:
    """Make commits with the files of the head and the base that have no other history than one commit."""
    root = _commit(git, f"{common}^{{tree}}", "common")
    return _commit(git, f"{head}^{{tree}}", "head", root), _commit(git, f"{base}^{{tree}}", "base", root)


def _commit(git: Git, tree: str, words: str, *parents: str) -> str:
    flags = [flag for parent in parents for flag in ("-p", parent)]
    return git.local("commit-tree", tree, *flags, given=words.encode(), **_IDENTITY).decode().strip()


def _own(git: Git, base: str, merged: str) -> str:
    """Return a hash of the files that a merge changes in its base: their paths, modes and contents."""
    listed = git.local("diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", base, merged)
    texts = list(_texts(listed))
    entries = (
        (path, *about.split()[1:4:2]) for about, path in zip(texts[::2], texts[1::2], strict=False) if about
    )
    hashed = hashlib.sha256()
    for path, mode, blob in sorted(entries):
        hashed.update(f"{mode} {blob} {path}\0".encode(errors="surrogateescape"))
    return hashed.hexdigest()


def _texts(said: bytes) -> Iterator[str]:
    return iter(said.decode(errors="surrogateescape").split("\0"))


def _printable(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _check_version(git: Git) -> None:
    version = git.version()
    if version < OLDEST_GIT:
        has, needs = (".".join(map(str, each)) for each in (version, OLDEST_GIT))
        raise EngineError(
            f"this worker has Git {has}, and a plan of the merge result needs Git {needs} or newer: "
            "install it, or set `plan_of: head`"
        )


def _nothing(_git: Git) -> None:
    """Only have the commit brought here."""
