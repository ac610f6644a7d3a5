"""The files of commits that runs share: laid out once, kept while in use, and deleted in the end."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.checkout import Checkout
from bot.terraform.repository.commit_trees import CommitTrees
from tests.terraform.conftest import Onlooker, Rig

MUCH = 1 << 30


class Counting(Checkout):
    """The checkout, which counts what it lays out. `meanwhile` happens once that is done."""

    laid_out = 0
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def lay_out(self, *args: object) -> bytes:
        found = super().lay_out(*args)  # type: ignore[arg-type]  # as they come
        self.laid_out += 1
        self.meanwhile()
        return found


class Ground:
    """Commits, trees and runs."""

    def __init__(self, rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
        self.rig, self.onlooker = rig, onlooker
        self.checkout = Counting(rig.data, os.environ)

    def trees(self, most: int = MUCH) -> CommitTrees:
        return CommitTrees(self.rig.data, self.checkout, most=most, limit=60)

    def run(self, run_id: str, commit: str, *, most: int = MUCH, shared: bool = True) -> RunFolder:
        folder = RunFolder.of(self.rig.data, run_id)
        folder.create()
        trees = self.trees(most)
        trees.lay_out(self.rig.repository.remote, commit, "", folder, "infra", self.onlooker(), shared=shared)
        return trees.of(folder)

    def commit(self, text: str) -> str:
        return self.rig.repository.commit({"infra/main.tf": text, "far/file": text * 10_000})

    @property
    def kept(self) -> list[str]:
        return sorted(path.name for path in (self.rig.data / "trees").glob("*/*/*") if path.is_dir())

    @property
    def repository(self) -> Path:
        (found,) = (path for path in (self.rig.data / "trees").glob("*/*") if path.is_dir())
        return found


@pytest.fixture
def ground(rig: Rig, onlooker: Callable[..., Onlooker]) -> Ground:
    return Ground(rig, onlooker)


def test_a_commit_is_laid_out_once_for_many_workers(ground: Ground) -> None:
    commit = ground.commit("one")
    start = threading.Barrier(6)

    def run(number: int) -> RunFolder:
        start.wait()
        return ground.run(f"run-{number}", commit)

    with ThreadPoolExecutor(6) as pool:
        folders = list(pool.map(run, range(6)))
    assert ground.checkout.laid_out == 1
    assert {each.commit for each in folders} == {ground.repository / commit / "tree"}
    for each in folders:
        assert each.commit
        assert (each.commit / "far" / "file").read_text().startswith("one")
        assert (each.tree / "infra" / "main.tf").read_text() == "one"
        assert not (each.tree / "far").exists()
        assert stat.S_IMODE((ground.rig.data / "trees").stat().st_mode) == 0o700
        listed = ground.rig.repository.git("ls-tree", "-r", "-z", commit).encode()
        assert ground.trees().listing(each) == listed


def test_without_a_sandbox_each_run_has_a_copy(ground: Ground) -> None:
    folder = ground.run("run-1", ground.commit("one"), shared=False)
    assert folder.commit is None
    assert (folder.tree / "far" / "file").is_file()
    assert ground.trees().listing(folder)
    assert ground.run("run-2", ground.commit("two"), most=0).commit is None


def test_of_a_small_commit_each_run_has_a_copy(ground: Ground) -> None:
    commit = ground.rig.repository.commit({"infra/main.tf": "", "run.sh": ""}, {"link": "run.sh"})
    trees = CommitTrees(ground.rig.data, ground.checkout, most=MUCH, limit=60, fewest=500)
    for run_id in ("run-1", "run-2"):
        folder = RunFolder.of(ground.rig.data, run_id)
        folder.create()
        trees.lay_out(
            ground.rig.repository.remote, commit, "", folder, "infra", ground.onlooker(), shared=True
        )
        assert trees.of(folder).commit is None
        assert sorted(each.name for each in folder.tree.iterdir()) == ["infra", "link", "run.sh"]
        assert str((folder.tree / "link").readlink()) == "run.sh"
        assert (folder.tree / "run.sh").stat().st_nlink == 1
        assert trees.listing(folder).count(b"\0") == 3
    assert ground.checkout.laid_out == 1


def test_what_is_used_stays_and_what_was_used_longest_ago_goes(ground: Ground) -> None:
    commits = [ground.commit(str(number)) for number in range(4)]
    for number, commit in enumerate(commits):
        ground.run(f"run-{number}", commit)
        os.utime(ground.repository / commit, (number, number))
    for number in (1, 2, 3):
        shutil.rmtree(ground.rig.data / "runs" / f"run-{number}")
    size = int((ground.repository / commits[0] / "size").read_text())
    assert size > 10_000

    ground.trees(size).tidy()
    assert ground.kept == sorted([commits[0], commits[3]])
    ground.trees().tidy(all_unused=True)
    assert ground.kept == [commits[0]]
    shutil.rmtree(ground.rig.data / "runs" / "run-0")
    ground.trees().tidy(all_unused=True)
    assert ground.kept == []


def test_too_many_are_taken_away_as_new_ones_come(ground: Ground) -> None:
    first, second = ground.commit("one"), ground.commit("two")
    ground.run("run-1", first)
    ground.run("run-1", second, most=1)
    assert [name.startswith(".going-" + first) or name == second for name in ground.kept] == [True, True]
    ground.trees(1).tidy()
    assert ground.kept == [second]


def test_a_run_that_comes_while_a_tree_is_taken_away_keeps_it_or_gets_another(ground: Ground) -> None:
    commit = ground.commit("one")
    stop = threading.Event()

    def tidy() -> None:
        while not stop.is_set():
            ground.trees().tidy(all_unused=True)

    thread = threading.Thread(target=tidy)
    thread.start()
    try:
        for _ in range(30):
            folder = ground.run("run-1", commit)
            assert folder.commit
            assert (folder.commit / "far" / "file").is_file()
            shutil.rmtree(folder.root)
    finally:
        stop.set()
        thread.join()


def test_what_a_killed_worker_had_begun_is_not_used(ground: Ground) -> None:
    commit = ground.commit("one")
    ground.run("run-1", ground.commit("two"))
    begun = ground.repository / f".coming-{commit}"
    (begun / "tree" / "infra").mkdir(parents=True)
    other = ground.repository / f".coming-{'0' * 40}"
    other.mkdir()
    folder = ground.run("run-2", commit)
    assert folder.commit
    assert (folder.commit / "infra" / "main.tf").is_file()
    assert not begun.exists()
    ground.trees().tidy()
    assert not other.exists()


def test_a_tree_that_is_coming_is_not_tidied_away(ground: Ground) -> None:
    commit = ground.commit("one")
    ground.checkout.meanwhile = lambda: ground.trees().tidy(all_unused=True)
    folder = ground.run("run-1", commit)
    assert folder.commit
    assert (folder.commit / "far" / "file").is_file()


def test_trees_of_another_boot_are_deleted(ground: Ground) -> None:
    ground.run("run-1", ground.commit("one"))
    before = ground.rig.data / "trees" / "another-boot" / "repository" / "commit"
    before.mkdir(parents=True)
    ground.trees().tidy()
    assert not before.exists()
    assert len(ground.kept) == 1


def test_a_checkout_that_fails_leaves_nothing(ground: Ground) -> None:
    with pytest.raises(EngineError):
        ground.run("run-1", "0" * 40)
    with pytest.raises(EngineError, match="not the id of a commit"):
        ground.run("run-1", "../../runs")
    assert ground.kept == []
    with pytest.raises(EngineError, match="does not exist in this commit"):
        ground.run("run-1", ground.rig.repository.commit({"main.tf": ""}))
