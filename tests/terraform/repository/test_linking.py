"""A commit that is laid out from its neighbour's files is what Git itself lays out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.checkout import Checkout
from bot.terraform.repository.linking import Neighbour, link
from tests.terraform.conftest import Onlooker, Rig


def tree_of(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            os.fsdecode(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_text(),
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def laid_out(rig: Rig, onlooker: Callable[..., Onlooker]) -> Callable[..., tuple[Path, bytes]]:
    checkout = Checkout(rig.data, os.environ)

    def lay_out(name: str, commit: str, neighbour: Neighbour | None = None) -> tuple[Path, bytes]:
        root = rig.root / name
        (root / "tree").mkdir(parents=True)
        folder = RunFolder(root, root)
        listing = checkout.lay_out(rig.repository.remote, commit, "", folder, onlooker(), neighbour)
        assert sorted(each.name for each in root.iterdir()) == ["tree"]
        return root / "tree", listing

    return lay_out


FIRST = {
    "main.tf": "one\n",
    "a/b/c.txt": "deep\n",
    "run.sh": "#!/bin/sh\n",
    "gone/file": "x\n",
    "kind": "x\n",
}


@pytest.mark.parametrize("attributes", ["", "*.txt text eol=crlf\n"])
def test_the_next_commit_is_laid_out_from_the_one_before(
    rig: Rig, laid_out: Callable[..., tuple[Path, bytes]], attributes: str
) -> None:
    rig.repository.commit(FIRST, links={"link": "a/b", "other": "main.tf"})
    (rig.repository.root / "run.sh").chmod(0o755)
    first = rig.repository.commit({})
    before, listing = laid_out("before", first)

    rig.repository.git("rm", "-q", "-r", "gone", "kind", "other")
    more = {".gitattributes": attributes} if attributes else {}
    second = rig.repository.commit(
        {"main.tf": "two\n", "kind/is/folder": "y\n", "new ü\n.tf": "new\n", "other": "a file\n", **more}
    )
    (rig.repository.root / "a/b/c.txt").chmod(0o755)
    third = rig.repository.commit({"far/file": "z\n"})
    known = tree_of(before)
    for commit in (second, third):
        plain, expected = laid_out(f"plain-{commit}", commit)
        found, listed = laid_out(f"linked-{commit}", commit, Neighbour(before, listing))
        assert listed == expected
        assert tree_of(found) == tree_of(plain)
        shared = (found / "run.sh").stat().st_ino == (before / "run.sh").stat().st_ino
        assert shared == (not attributes)
        assert (found / "main.tf").stat().st_ino != (before / "main.tf").stat().st_ino
    assert tree_of(before) == known


def test_the_same_files_need_nothing_of_git(rig: Rig, laid_out: Callable[..., tuple[Path, bytes]]) -> None:
    before, listing = laid_out("before", rig.repository.commit(FIRST))
    again, _ = laid_out("again", rig.repository.commit({}), Neighbour(before, listing))
    assert tree_of(again) == tree_of(before)


def test_a_neighbour_that_vanishes_is_of_no_use(
    rig: Rig, laid_out: Callable[..., tuple[Path, bytes]]
) -> None:
    before, listing = laid_out("before", rig.repository.commit(FIRST))
    (before / "run.sh").unlink()
    found, _ = laid_out("found", rig.repository.commit({"main.tf": "two\n"}), Neighbour(before, listing))
    assert (found / "run.sh").read_text() == "#!/bin/sh\n"
    assert (found / "main.tf").read_text() == "two\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    for name in ("before", "tree"):
        (tmp_path / name).mkdir()
    return tmp_path


def line(path: str, mode: str = "100644") -> bytes:
    return f"{mode} blob {'1' * 40}\t{path}\0".encode()


@pytest.mark.parametrize(
    "path", ["../outside/secret", "a/../../outside/secret", ".git/config", "a/.GIT/x", "/etc/passwd", "./x"]
)
def test_paths_that_lead_elsewhere_are_left_to_git(outside: Path, path: str) -> None:
    assert link(Neighbour(outside / "before", line(path)), line(path), outside / "tree") is None
    assert list((outside / "tree").iterdir()) == []


def test_submodules_are_left_to_git(outside: Path) -> None:
    assert link(Neighbour(outside / "before", b""), line("a", "160000"), outside / "tree") is None


def test_no_link_of_a_neighbour_s_is_followed(outside: Path) -> None:
    (outside / "before" / "a").symlink_to(outside / "outside")
    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        link(Neighbour(outside / "before", line("a/secret")), line("a/secret"), outside / "tree")


def test_no_link_of_the_commit_s_own_is_followed(outside: Path) -> None:
    both = line("a", "120000") + line("a/secret")
    (outside / "before" / "a").symlink_to(outside / "outside")
    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        link(Neighbour(outside / "before", both), both, outside / "tree")
    assert sorted(each.name for each in (outside / "outside").iterdir()) == ["secret"]
    assert (outside / "outside" / "secret").stat().st_nlink == 1
