"""GitHub's shapes of commits, files and comparisons."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from bot.playground.github.addresses import node_id
from bot.playground.github.shapes import Json, moment
from bot.playground.github.talk_shapes import TalkShapes

if TYPE_CHECKING:
    from bot.playground.forge.model import Repo, User
    from bot.playground.git.diffs import FileChange
    from bot.playground.git.repositories import Commit, Signature, TreeEntry

COMPARE_FILES = 300


class GitShapes(TalkShapes):
    """Adds the shapes that are read from Git."""

    def _person(self, signature: Signature) -> User | None:
        return next((u for u in self.forge.users.values() if u.email == signature.email), None)

    def _known(self, signature: Signature) -> Json | None:
        person = self._person(signature)
        return self.user(person) if person else None

    def commit(self, repo: Repo, commit: Commit, *, full: bool = False) -> Json:
        """Shape a commit; in full with its files."""
        here, page = self.at.repo(repo.full_name), f"{self.at.web}/{repo.full_name}/commit"
        shape: Json = {
            "sha": commit.sha,
            "node_id": node_id("Commit", commit.sha),
            "commit": {
                "author": self._signature(commit.author),
                "committer": self._signature(commit.committer),
                "message": commit.message,
                "tree": {"sha": commit.tree, "url": f"{here}/git/trees/{commit.tree}"},
                "url": f"{here}/git/commits/{commit.sha}",
                "comment_count": 0,
                "verification": {
                    "verified": False,
                    "reason": "unsigned",
                    "signature": None,
                    "payload": None,
                    "verified_at": None,
                },
            },
            "url": f"{here}/commits/{commit.sha}",
            "html_url": f"{page}/{commit.sha}",
            "comments_url": f"{here}/commits/{commit.sha}/comments",
            "author": self._known(commit.author),
            "committer": self._known(commit.committer),
            "parents": [
                {"sha": sha, "url": f"{here}/commits/{sha}", "html_url": f"{page}/{sha}"}
                for sha in commit.parents
            ],
        }
        if full:
            files = repo.git.changes_of(commit)
            added, removed = sum(f.additions for f in files), sum(f.deletions for f in files)
            shape["stats"] = {"additions": added, "deletions": removed, "total": added + removed}
            shape["files"] = [self.file(repo, commit.sha, change) for change in files[:COMPARE_FILES]]
        return shape

    def _signature(self, signature: Signature) -> Json:
        when = moment(datetime.fromisoformat(signature.date).astimezone(UTC))
        return {"name": signature.name, "email": signature.email, "date": when}

    def file(self, repo: Repo, sha: str, change: FileChange) -> Json:
        """Shape one file of a diff."""
        path = quote(change.path)
        page = f"{self.at.web}/{repo.full_name}"
        shape: Json = {
            "sha": change.sha,
            "filename": change.path,
            "status": change.status,
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": f"{page}/blob/{sha}/{path}",
            "raw_url": f"{page}/raw/{sha}/{path}",
            "contents_url": f"{self.at.repo(repo.full_name)}/contents/{path}?ref={sha}",
        }
        if change.patch is not None:
            shape["patch"] = change.patch
        if change.previous is not None:
            shape["previous_filename"] = change.previous
        return shape

    def comparison(self, repo: Repo, basehead: str, base: str, head: str) -> Json:
        """Shape what head has that base has not, both being commits."""
        git, here = repo.git, f"{self.at.repo(repo.full_name)}/compare/{basehead}"
        page = f"{self.at.web}/{repo.full_name}/compare/{basehead}"
        ahead, behind = git.count(base, head), git.count(head, base)
        states = {
            (True, True): "diverged",
            (True, False): "ahead",
            (False, True): "behind",
            (False, False): "identical",
        }
        common = git.merge_base(base, head) or base
        commits = git.commits(f"{base}..{head}")[::-1]
        files = git.changes(common, head)[:COMPARE_FILES]
        return {
            "url": here,
            "html_url": page,
            "permalink_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "base_commit": self.commit(repo, git.commit(base)),
            "merge_base_commit": self.commit(repo, git.commit(common)),
            "status": states[ahead > 0, behind > 0],
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": ahead,
            "commits": [self.commit(repo, commit) for commit in commits],
            "files": [self.file(repo, head, change) for change in files],
        }

    def pushed_commit(self, repo: Repo, commit: Commit) -> Json:
        """Shape a commit as a push event tells it."""
        files = repo.git.changes_of(commit)
        paths = {kind: [f.path for f in files if f.status == kind] for kind in ("added", "removed")}
        # A push knows no renames: what moved is gone from one place and new in the other.
        moved = [f for f in files if f.previous is not None]
        return {
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": True,
            "message": commit.message,
            "timestamp": commit.committer.date,
            "url": f"{self.at.web}/{repo.full_name}/commit/{commit.sha}",
            "author": self._pusher(commit.author),
            "committer": self._pusher(commit.committer),
            "added": paths["added"] + [f.path for f in moved],
            "removed": paths["removed"] + [f.previous for f in moved if f.status == "renamed"],
            "modified": [f.path for f in files if f.status in ("modified", "changed")],
        }

    def _pusher(self, signature: Signature) -> Json:
        person = self._person(signature)
        plain: Json = {"name": signature.name, "email": signature.email}
        return plain | ({"username": person.login} if person else {})

    def ref(self, repo: Repo, ref: str, sha: str) -> Json:
        """Shape a ref."""
        kind, here = repo.git.object_type(sha), self.at.repo(repo.full_name)
        return {
            "ref": ref,
            "node_id": node_id("Ref", f"{repo.id}:{ref}"),
            "url": f"{here}/git/{ref}",
            "object": {"sha": sha, "type": kind, "url": f"{here}/git/{kind}s/{sha}"},
        }

    def tree(self, repo: Repo, sha: str, entries: list[TreeEntry]) -> Json:
        """Shape a tree."""
        here = f"{self.at.repo(repo.full_name)}/git"
        listed = []
        for entry in entries:
            item: Json = {"path": entry.path, "mode": entry.mode, "type": entry.type, "sha": entry.sha}
            if entry.size is not None:
                item["size"] = entry.size
            listed.append(item | {"url": f"{here}/{entry.type}s/{entry.sha}"})
        return {"sha": sha, "url": f"{here}/trees/{sha}", "tree": listed, "truncated": False}

    def content(self, repo: Repo, ref: str, entry: TreeEntry, blob: bytes | None = None) -> Json:
        """Shape a file (with its content) or an entry of a directory."""
        path, page = quote(entry.path), f"{self.at.web}/{repo.full_name}"
        here = f"{self.at.repo(repo.full_name)}"
        kind = {"tree": "dir", "commit": "submodule"}.get(entry.type, "file")
        kind = "symlink" if entry.mode == "120000" and blob is None else kind
        links = {
            "self": f"{here}/contents/{path}?ref={quote(ref)}",
            "git": f"{here}/git/{entry.type}s/{entry.sha}",
            "html": f"{page}/{'tree' if kind == 'dir' else 'blob'}/{quote(ref)}/{path}",
        }
        shape: Json = {
            "name": entry.path.rsplit("/", 1)[-1],
            "path": entry.path,
            "sha": entry.sha,
            "size": entry.size or 0,
            "url": links["self"],
            "html_url": links["html"],
            "git_url": links["git"],
            "download_url": None if kind == "dir" else f"{page}/raw/{quote(ref)}/{path}",
            "type": kind,
            "_links": links,
        }
        if blob is not None:
            shape |= {"content": base64.encodebytes(blob).decode(), "encoding": "base64"}
        return shape
