"""Brings commits here: a bare mirror per repository, fetched a commit at a time, and a plain tree per run.

Mirrors are only caches. A broken one is removed and created again.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from bot.domain.errors import EngineError, Interrupted
from bot.services.ports import GitRemote, Watch, WatchSignal
from bot.terraform.files.locks import locked
from bot.terraform.files.runfolder import RunFolder, remove_tree
from bot.terraform.repository.git import CommitNotFound, Git, GitFailed, TokenRefused
from bot.terraform.repository.linking import Neighbour, link

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/[A-Za-z0-9_./@#+=,%-]+")
CONFIGURATION = (".tf", ".tf.json", ".tofu", ".tofu.json")

_REMOTE = "origin"
_MOST_COMMITS = 100
# Git's word for no limit.
_ALL = "--depth=2147483647"

LARGEST = 16 << 20
_PLAIN = ("100644", "100755")

# In seconds: a forge tells of a push before all of its Git servers have it. So long, one after the other, a
# commit that is not there is waited for.
_SETTLING = (1, 2, 4)

Result = TypeVar("Result")


class Checkout:
    """The mirrors below the data directory.

    `limit` is the time for one fetch, `settling` how long a commit that is not there is waited for each time;
    in seconds.
    """

    def __init__(
        self,
        data: Path,
        passed: Mapping[str, str],
        limit: float = 900,
        settling: Iterable[float] = _SETTLING,
    ) -> None:
        self._mirrors = data / "mirrors"
        self._passed = passed
        self._limit = limit
        self._settling = settling

    def lay_out(
        self,
        remote: GitRemote,
        commit: str,
        ref: str,
        folder: RunFolder,
        watch: Watch,
        neighbour: Neighbour | None = None,
    ) -> bytes:
        """Put the commit's files into the run's tree, without a `.git`; return Git's list of these.

        With a neighbour, files that it has too are links to its own: only for a tree that nobody writes to.
        Raises EngineError.
        """
        index = folder.root / "index"
        inside = f"--work-tree={folder.tree}"

        def checkout(git: Git) -> bytes:
            listing = git.local("ls-tree", "-r", "-z", commit)
            missing = _linked(neighbour, listing, folder.tree) if neighbour else None
            if missing is None:
                git.local(inside, "read-tree", "--reset", "-u", commit, GIT_INDEX_FILE=str(index))
            elif missing:
                git.local("read-tree", commit, GIT_INDEX_FILE=str(index))
                rest = ("checkout-index", "-z", "--stdin")
                git.local(inside, *rest, given=missing, GIT_INDEX_FILE=str(index))
            return listing

        try:
            return self.with_commit(remote, commit, ref, watch, checkout)
        finally:
            index.unlink(missing_ok=True)

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        """Return every directory with a configuration file at a commit, sorted; `""` is the root."""

        def names(git: Git) -> bytes:
            return git.local("ls-tree", "-r", "--name-only", "-z", commit)

        listed = self.with_commit(remote, commit, "", Patience(), names)
        paths = listed.decode(errors="surrogateescape").split("\0")
        found = {path.rpartition("/")[0] for path in paths if path.endswith(CONFIGURATION)}
        return tuple(sorted(name for name in found if ".terraform" not in name.split("/")))

    def files(
        self,
        remote: GitRemote,
        commit: str,
        prefix: str,
        suffixes: tuple[str, ...],
        watch: Watch,
        most: int = 1000,
    ) -> dict[str, bytes]:
        """Return the plain files below a folder at a commit, by their paths in it; links are left out.

        Raises EngineError, also where they are more than `most`, or `LARGEST` bytes together.
        """

        def read(git: Git) -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            size = 0
            listed = git.local("ls-tree", "-r", "-z", "--long", commit, "--", *([prefix] if prefix else []))
            for entry in listed.decode(errors="surrogateescape").split("\0"):
                about, _, path = entry.partition("\t")
                words = about.split()
                if len(words) != 4 or words[0] not in _PLAIN or not path.endswith(suffixes):
                    continue
                size += int(words[3])
                if size > LARGEST or len(found) >= most:
                    much = f"{most} files and {LARGEST >> 20} MB at most"
                    raise EngineError(f"{prefix or 'the repository'} is too large: {much}")
                found[path.removeprefix(prefix)] = git.local("cat-file", "blob", words[2])
            return found

        return self.with_commit(remote, commit, "", watch, read)

    def with_commit(
        self, remote: GitRemote, commit: str, ref: str, watch: Watch, use: Callable[[Git], Result]
    ) -> Result:
        """Do something with a commit's mirror: fetched if it is not here, waited for if it is nowhere.

        Raises EngineError.
        """
        pauses = iter(self._settling)
        renew = remote.renew
        while True:
            try:
                return self._do_with_commit(remote, commit, ref, watch, use)
            except TokenRefused:
                # Once, as for the forge's API: a token may end before its time.
                renewed, renew = renew() if renew else None, None
                if renewed is None:
                    raise
                remote = renewed
            except CommitNotFound:
                pause = next(pauses, None)
                if pause is None:
                    raise
                _pause(pause, watch)

    def _do_with_commit(
        self, remote: GitRemote, commit: str, ref: str, watch: Watch, use: Callable[[Git], Result]
    ) -> Result:
        """Do something with a commit. Fetches it first if it is not here; creates a broken mirror again."""
        check_commit(commit)
        mirror = self._mirror(remote)
        git = Git(mirror, remote, self._passed)
        # A file tells whether the commit is here: to ask Git would be a process more for each run.
        if (mirror / _kept(commit)).is_file():
            try:
                return use(git)
            except GitFailed:
                pass  # the commit is here but not whole
        with locked(mirror.with_suffix(".lock"), watch, limit=self._limit):
            try:
                self._fetch(git, mirror, commit, ref, watch)
                return use(git)
            except GitFailed:
                remove_tree(mirror)
            self._fetch(git, mirror, commit, ref, watch)
            return use(git)

    def _fetch(self, git: Git, mirror: Path, commit: str, ref: str, watch: Watch) -> None:
        # A name for what was fetched, so that the next fetch brings only what is new since.
        kept = _kept(commit)
        if not (mirror / "HEAD").is_file():
            _make(git, mirror)
        elif (mirror / kept).is_file():
            return  # another worker fetched it while we waited for the lock
        try:
            # One commit without its history: what a run needs, however old the repository is.
            git.fetch(watch, self._limit, "--depth=1", _REMOTE, f"+{commit}:{kept}")
        except CommitNotFound:
            if not self._fetch_more(git, commit, ref, watch):
                raise
            git.local("update-ref", kept, commit)
        _forget_old(mirror / kept)

    def _fetch_more(self, git: Git, commit: str, ref: str, watch: Watch) -> bool:
        """Fetch from a server before protocol 2, which gives out only what a ref points to."""
        branch = f"refs/plangate-branches/{hashlib.sha256(ref.encode()).hexdigest()[:20]}"
        wider = [f"+{ref}:{branch}"] if _REF.fullmatch(ref) else []
        for refspec in (*wider, "+refs/heads/*:refs/plangate-heads/*"):
            try:
                git.fetch(watch, self._limit, _REMOTE, refspec)
            except CommitNotFound:
                continue  # a branch may be gone by now
            if _has(git, commit):
                return True
        return False

    def beside(self, remote: GitRemote, name: str) -> Path:
        """Return the path of a file of a repository's own that lies beside its mirror, as a cache."""
        return self._mirrors / f"{repository_folder(remote)}.{name}"

    def has(self, remote: GitRemote, commit: str) -> bool:
        """Whether a commit is in the repository's mirror."""
        return (self._mirror(remote) / _kept(commit)).is_file()

    def keep(self, git: Git, remote: GitRemote, commit: str) -> None:
        """Keep a commit that was made in the mirror, as long as the last ones that were fetched."""
        git.local("update-ref", _kept(commit), commit)
        _forget_old(self._mirror(remote) / _kept(commit))

    def deepen(self, remote: GitRemote, watch: Watch, commits: Iterable[str]) -> None:
        """Bring all of the history of commits here, with its files. Raises EngineError."""
        mirror = self._mirror(remote)
        wanted = [f"+{each}:{_kept(each)}" for each in commits]
        with locked(mirror.with_suffix(".lock"), watch, limit=self._limit):
            Git(mirror, remote, self._passed).fetch(watch, self._limit, _ALL, _REMOTE, *wanted)

    def ancestry(self, remote: GitRemote, watch: Watch, commits: Iterable[str]) -> Git:
        """Return Git on a mirror that has the commits and all before them, without any of their files.

        A server that can't leave the files out sends them too. Raises EngineError.
        """
        mirror = self._mirrors / f"{repository_folder(remote)}.ancestry"
        git = Git(mirror, remote, self._passed)
        with locked(mirror.with_suffix(".ancestry-lock"), watch, limit=self._limit):
            if not (mirror / "HEAD").is_file():
                _make(git, mirror)
            missing = [each for each in commits if not (mirror / _kept(each)).is_file()]
            if missing:
                wanted = [f"+{each}:{_kept(each)}" for each in missing]
                git.fetch(watch, self._limit, "--filter=tree:0", _REMOTE, *wanted)
                _forget_old(mirror / _kept(missing[-1]))
        return git

    def _mirror(self, remote: GitRemote) -> Path:
        return self._mirrors / f"{repository_folder(remote)}.git"


def repository_folder(remote: GitRemote) -> str:
    """Return a name for a folder that is one repository's alone."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", remote.repo.path).strip("-")[:60]
    return f"{name}-{hashlib.sha256(remote.url.encode()).hexdigest()[:16]}"


def check_commit(commit: str) -> None:
    """Make sure that a text is the id of a commit. Raises EngineError."""
    if not _COMMIT.fullmatch(commit):
        raise EngineError(f"{commit!r} is not the id of a commit")


def _kept(commit: str) -> str:
    """The ref that keeps a commit; always a file of its own, for Git is told not to pack refs."""
    return f"refs/plangate/{commit}"


def _forget_old(newest: Path) -> None:
    """Let Git throw away the commits that were fetched longest ago; one that is wanted again is fetched."""
    refs = sorted((path.stat().st_mtime_ns, path) for path in newest.parent.iterdir() if path != newest)
    for _, ref in refs[:-_MOST_COMMITS]:
        ref.unlink(missing_ok=True)


def _linked(neighbour: Neighbour, listing: bytes, tree: Path) -> bytes | None:
    """Link what a neighbour has; return the paths of the rest. None, with an empty tree, if that fails."""
    _empty(tree)  # of what an attempt before left
    try:
        missing = link(neighbour, listing, tree)
    except OSError:
        missing = None  # it was taken away meanwhile, or has too many links
    if missing is None:
        _empty(tree)
    return missing


def _empty(tree: Path) -> None:
    remove_tree(tree)
    tree.mkdir(mode=0o755)


def _has(git: Git, commit: str) -> bool:
    try:
        git.local("cat-file", "-e", f"{commit}^{{commit}}")
    except GitFailed:
        return False
    return True


def _make(git: Git, mirror: Path) -> None:
    """Make an empty mirror. `HEAD` is Git's last word on it, so one that was cut off counts as none."""
    remove_tree(mirror)
    mirror.mkdir(mode=0o700, parents=True)
    git.local("init", "--quiet", "--bare", "--template=", GIT_DEFAULT_REF_FORMAT="files")


def _pause(seconds: float, watch: Watch) -> None:
    """Wait. Raises Interrupted where the watcher says to stop."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if watch.tick() is not WatchSignal.GO_ON:
            raise Interrupted("stopped while the commit was waited for")
        time.sleep(min(seconds, 1.0))


class Patience:
    """The watcher of what nobody watches."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> WatchSignal:
        """Go on."""
        return WatchSignal.GO_ON
