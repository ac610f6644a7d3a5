"""Merges in a mirror: the same everywhere, made again when missing, and nothing of the repository runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.runs.merge_result import MergedCommit, MergeResult
from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.checkout import Checkout, Patience
from bot.terraform.repository.git import Git
from bot.terraform.repository.merging import MOST_CONFLICTS, MirrorMerges
from tests.terraform.conftest import Repository, Rig

ODD = ["`@ben` <b>.tf", "new\nline.tf", "tab\there.tf", "ü.tf", "-rf.tf", '"quoted".tf']


@pytest.fixture
def checkout(rig: Rig) -> Checkout:
    return Checkout(rig.data, os.environ, settling=())


@pytest.fixture
def merges(checkout: Checkout) -> MirrorMerges:
    return MirrorMerges(checkout)


def two(
    repository: Repository, base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> tuple[str, str]:
    """Return the commits of a topic branch and of main, which have left the same one."""
    repository.commit(base)
    repository.git("checkout", "-q", "-b", "topic")
    head = repository.commit(theirs)
    repository.git("checkout", "-q", "main")
    return head, repository.commit(ours)


def merged(merges: MirrorMerges, rig: Rig, head: str, base: str) -> MergeResult:
    return merges.merge(rig.repository.remote, head, base, "main")


def listed(rig: Rig, checkout: Checkout, merges: MirrorMerges, commit: MergedCommit) -> dict[str, str]:
    merges.provide(rig.repository.remote, commit, Patience())
    folder = RunFolder.of(rig.data, "run-1")
    folder.create()
    checkout.lay_out(rig.repository.remote, commit.commit, "", folder, Patience())
    return {
        str(path.relative_to(folder.tree)): path.read_text()
        for path in sorted(folder.tree.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_a_merge_has_what_both_sides_changed(rig: Rig, merges: MirrorMerges, checkout: Checkout) -> None:
    head, base = two(rig.repository, {"a.tf": "1", "b.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2", "new.tf": "x"})
    found = merged(merges, rig, head, base)
    assert (found.base_branch, found.base, found.conflicts) == ("main", base, ())
    files = listed(rig, checkout, merges, MergedCommit(found.commit, head, base))
    assert files == {"a.tf": "2", "b.tf": "2", "new.tf": "x"}


def test_the_same_two_commits_give_the_same_id_on_every_machine(
    rig: Rig, merges: MirrorMerges, tmp_path: Path
) -> None:
    head, base = two(rig.repository, {"a.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2"})
    # The other machine has seen more of the repository, and at another time.
    for number in range(3):
        rig.repository.commit({"more.tf": str(number)})
    other = MirrorMerges(Checkout(tmp_path / "other", os.environ, settling=()))
    other.merge(rig.repository.remote, rig.repository.git("rev-parse", "HEAD"), base, "main")
    assert other.merge(rig.repository.remote, head, base, "main") == merged(merges, rig, head, base)


def test_a_merge_is_what_git_itself_would_make(rig: Rig, merges: MirrorMerges) -> None:
    lines = "".join(f"line {number}\n" for number in range(20))
    head, base = two(
        rig.repository,
        {"old.tf": lines, "same.tf": lines},
        {"old.tf": lines.replace("line 3\n", "ours\n"), "same.tf": lines.replace("line 2\n", "ours\n")},
        {"same.tf": lines.replace("line 17\n", "theirs\n")},
    )
    # A file that one side renames and the other one edits.
    rig.repository.git("checkout", "-q", "topic")
    rig.repository.git("mv", "old.tf", "renamed.tf")
    head = rig.repository.commit({})
    rig.repository.git("checkout", "-q", "main")
    tree = rig.repository.git("merge-tree", "--write-tree", base, head)
    rig.repository.git("merge", "-q", "--no-edit", head)
    assert rig.repository.git("rev-parse", "HEAD^{tree}") == tree
    found = merged(merges, rig, head, base)
    (mirror,) = (rig.data / "mirrors").glob("*.git")
    said = subprocess.run(
        ["git", "-C", str(mirror), "log", "-1", "--format=%T %P %an %ae %at", found.commit],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.split() == [tree, base, head, "Plangate", "plangate@localhost", "0"]


def test_a_branch_that_is_not_behind_merges_to_its_own_files(
    rig: Rig, merges: MirrorMerges, checkout: Checkout
) -> None:
    base = rig.repository.commit({"a.tf": "1"})
    head = rig.repository.commit({"a.tf": "2"})
    found = merged(merges, rig, head, base)
    assert (
        merges.differing(rig.repository.remote, MergedCommit(found.commit), MergedCommit(head)) == frozenset()
    )


def test_a_conflict_names_its_files_whatever_their_names(rig: Rig, merges: MirrorMerges) -> None:
    head, base = two(
        rig.repository,
        {"a.tf": "1", "gone.tf": "1\n2\n3\n"},
        {"a.tf": "2", **dict.fromkeys(ODD, "ours")},
        {"a.tf": "3", **dict.fromkeys(ODD, "theirs")},
    )
    found = merged(merges, rig, head, base)
    assert found.conflicting
    assert found.commit == ""
    assert found.conflicts == tuple(sorted(["a.tf", *ODD]))


def test_only_the_first_files_of_a_huge_conflict_are_kept(rig: Rig, merges: MirrorMerges) -> None:
    names = [f"f{number:04}.tf" for number in range(MOST_CONFLICTS + 40)]
    head, base = two(
        rig.repository, {"a.tf": "1"}, dict.fromkeys(names, "ours"), dict.fromkeys(names, "theirs")
    )
    assert merged(merges, rig, head, base).conflicts == tuple(names[:MOST_CONFLICTS])


def test_a_file_that_one_side_deletes_and_the_other_edits_is_a_conflict(
    rig: Rig, merges: MirrorMerges
) -> None:
    head, base = two(rig.repository, {"a.tf": "1", "b.tf": "1"}, {"a.tf": "2"}, {"c.tf": "another"})
    rig.repository.git("checkout", "-q", "topic")
    rig.repository.git("rm", "-q", "a.tf")
    head = rig.repository.commit({})
    assert merged(merges, rig, head, base).conflicts == ("a.tf",)


def test_commits_without_a_common_history_are_not_merged(rig: Rig, merges: MirrorMerges) -> None:
    base = rig.repository.commit({"a.tf": "1"})
    rig.repository.git("checkout", "-q", "--orphan", "other")
    head = rig.repository.commit({"b.tf": "1"})
    found = merged(merges, rig, head, base)
    assert found.conflicting
    assert "no history in common with main" in found.why_conflicting


def test_a_history_that_crosses_is_merged_in_the_same_way_everywhere(
    rig: Rig, merges: MirrorMerges, tmp_path: Path
) -> None:
    head, base = two(rig.repository, {"a.tf": "1"}, {"b.tf": "main"}, {"c.tf": "topic"})
    rig.repository.git("merge", "-q", "--no-edit", head)
    rig.repository.git("checkout", "-q", "topic")
    rig.repository.git("merge", "-q", "--no-edit", base)
    head = rig.repository.commit({"c.tf": "again"})
    rig.repository.git("checkout", "-q", "main")
    base = rig.repository.commit({"b.tf": "again"})
    assert len(rig.repository.git("merge-base", "--all", base, head).split()) == 2
    found = merged(merges, rig, head, base)
    tree = rig.repository.git("merge-tree", "--write-tree", base, head)
    (mirror,) = (rig.data / "mirrors").glob("*.git")
    assert _tree_in(mirror, found.commit) == tree
    other = MirrorMerges(Checkout(tmp_path / "other", os.environ, settling=()))
    assert other.merge(rig.repository.remote, head, base, "main") == found


def _tree_in(mirror: Path, commit: str) -> str:
    asked = ["git", "-C", str(mirror), "rev-parse", f"{commit}^{{tree}}"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def test_a_merge_that_is_not_here_is_made_again(
    rig: Rig, merges: MirrorMerges, checkout: Checkout, tmp_path: Path
) -> None:
    head, base = two(rig.repository, {"a.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2"})
    found = merged(merges, rig, head, base)
    shutil.rmtree(rig.data / "mirrors")
    commit = MergedCommit(found.commit, head, base)
    assert listed(rig, checkout, merges, commit) == {"a.tf": "2", "b.tf": "2"}


def test_a_merge_that_can_not_be_made_again_says_so(rig: Rig, merges: MirrorMerges) -> None:
    head, base = two(rig.repository, {"a.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2"})
    with pytest.raises(EngineError, match="another one on this worker"):
        merges.provide(rig.repository.remote, MergedCommit("0" * 40, head, base), Patience())


def test_a_merge_outlives_git_s_garbage_collection(
    rig: Rig, merges: MirrorMerges, checkout: Checkout
) -> None:
    head, base = two(rig.repository, {"a.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2"})
    found = merged(merges, rig, head, base)
    (mirror,) = (rig.data / "mirrors").glob("*.git")
    subprocess.run(
        ["git", "-C", str(mirror), "-c", "gc.packRefs=false", "gc", "-q", "--prune=now"], check=True
    )
    shutil.rmtree(rig.repository.root)
    assert listed(rig, checkout, merges, MergedCommit(found.commit)) == {"a.tf": "2", "b.tf": "2"}


def test_nothing_of_a_repository_runs_in_a_merge(rig: Rig, merges: MirrorMerges, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    config = f'[merge "evil"]\n\tdriver = touch {ran}\n[filter "evil"]\n\tsmudge = touch {ran}\n'
    attributes = "* merge=evil filter=evil diff=evil\n*.txt merge=union\n"
    common = {".gitattributes": attributes, ".gitconfig": config, "a.tf": "1\n2\n3\n", "u.txt": "1\n"}
    head, base = two(
        rig.repository,
        common,
        {"a.tf": "1\n2\nours\n", "u.txt": "ours\n"},
        {"a.tf": "theirs\n2\n3\n", "u.txt": "2\n"},
    )
    found = merged(merges, rig, head, base)
    assert not ran.exists()
    # Also a driver of Git's own is not chosen by the repository: what people would see as a conflict is one.
    assert found.conflicts == ("u.txt",)


def test_links_and_submodules_are_merged_and_not_followed(
    rig: Rig, merges: MirrorMerges, checkout: Checkout, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    rig.repository.commit({"a.tf": "1"}, {"out": str(secret), "dir": "/etc"})
    rig.repository.git("checkout", "-q", "-b", "topic")
    rig.repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    rig.repository.git("commit", "-q", "-m", "a submodule")
    head = rig.repository.git("rev-parse", "HEAD")
    rig.repository.git("checkout", "-q", "main")
    base = rig.repository.commit({"b.tf": "1"})
    found = merged(merges, rig, head, base)
    assert listed(rig, checkout, merges, MergedCommit(found.commit, head, base)) == {"a.tf": "1", "b.tf": "1"}
    assert secret.read_text() == "secret"


def test_what_a_change_brings_does_not_depend_on_the_base(rig: Rig, merges: MirrorMerges) -> None:
    head, first = two(rig.repository, {"a.tf": "1", "b.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2"})
    second = rig.repository.commit({"a.tf": "3", "c.tf": "new"})
    third = rig.repository.commit({"b.tf": "2"})
    one, two_, three = (merged(merges, rig, head, each) for each in (first, second, third))
    assert one.own == two_.own != three.own
    rig.repository.git("checkout", "-q", "topic")
    other = rig.repository.commit({"b.tf": "other"})
    assert merged(merges, rig, other, first).own != one.own


def test_the_files_that_differ_between_two_merges_are_named(rig: Rig, merges: MirrorMerges) -> None:
    head, first = two(rig.repository, {"a.tf": "1"}, {"x/main.tf": "1"}, {"b.tf": "2"})
    second = rig.repository.commit({"x/main.tf": "2", ODD[1]: "1"})
    one, other = merged(merges, rig, head, first), merged(merges, rig, head, second)
    remote = rig.repository.remote
    found = merges.differing(
        remote, MergedCommit(one.commit, head, first), MergedCommit(other.commit, head, second)
    )
    assert found == {"x/main.tf", ODD[1]}


def test_an_old_git_is_refused_with_words(
    rig: Rig, merges: MirrorMerges, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, base = two(rig.repository, {"a.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2"})
    monkeypatch.setattr(Git, "version", lambda _: (2, 30, 2))
    with pytest.raises(EngineError, match=r"has Git 2.30.2, .* needs Git 2.38 or newer"):
        merged(merges, rig, head, base)


def test_only_three_commits_are_fetched_with_their_files(rig: Rig, merges: MirrorMerges) -> None:
    for number in range(30):
        rig.repository.commit({"a.tf": str(number)})
    head, base = two(rig.repository, {"a.tf": "1"}, {"a.tf": "2"}, {"b.tf": "2"})
    merged(merges, rig, head, base)
    (mirror,) = (rig.data / "mirrors").glob("*.git")
    refs = sorted((mirror / "refs/plangate").iterdir())
    # The two, what they have in common, and the merge.
    assert len(refs) == 4


def three(repository: Repository, first: dict[str, str], second: dict[str, str]) -> tuple[str, str, str]:
    """Return the commits of two topic branches and of main, which have left the same one."""
    one, _ = two(repository, {"a.tf": "1", "b.tf": "1", "c.tf": "1"}, {"c.tf": "2"}, first)
    repository.git("checkout", "-q", "-b", "other", "main~1")
    other = repository.commit(second)
    repository.git("checkout", "-q", "main")
    return one, other, repository.git("rev-parse", "main")


def test_two_heads_are_merged_into_one_base(rig: Rig, merges: MirrorMerges, checkout: Checkout) -> None:
    one, other, base = three(rig.repository, {"a.tf": "2"}, {"b.tf": "2"})
    found = merges.merge(rig.repository.remote, other, base, "main", first=one)
    assert (found.base, found.first, found.conflicts) == (base, one, ())
    commit = MergedCommit(found.commit, other, base, one)
    assert listed(rig, checkout, merges, commit) == {"a.tf": "2", "b.tf": "2", "c.tf": "2"}


def test_a_worker_without_the_merge_of_three_makes_the_same_again(
    rig: Rig, merges: MirrorMerges, tmp_path: Path
) -> None:
    one, other, base = three(rig.repository, {"a.tf": "2"}, {"b.tf": "2"})
    found = merges.merge(rig.repository.remote, other, base, "main", first=one)
    elsewhere = MirrorMerges(Checkout(tmp_path / "other", os.environ, settling=()))
    elsewhere.provide(rig.repository.remote, MergedCommit(found.commit, other, base, one), Patience())
    with pytest.raises(EngineError, match="is another one on this worker"):
        elsewhere.provide(rig.repository.remote, MergedCommit("0" * 40, other, base, one), Patience())


def test_two_heads_that_conflict_name_the_files(rig: Rig, merges: MirrorMerges) -> None:
    one, other, base = three(rig.repository, {"a.tf": "2"}, {"a.tf": "3"})
    found = merges.merge(rig.repository.remote, other, base, "main", first=one)
    assert (found.commit, found.conflicts, found.first) == ("", ("a.tf",), one)


def test_a_branch_on_top_of_another_merges_with_it(
    rig: Rig, merges: MirrorMerges, checkout: Checkout
) -> None:
    one, _, base = three(rig.repository, {"a.tf": "2"}, {"b.tf": "2"})
    rig.repository.git("checkout", "-q", "-b", "stacked", one)
    stacked = rig.repository.commit({"a.tf": "3"})
    found = merges.merge(rig.repository.remote, stacked, base, "main", first=one)
    commit = MergedCommit(found.commit, stacked, base, one)
    assert listed(rig, checkout, merges, commit) == {"a.tf": "3", "b.tf": "1", "c.tf": "2"}


def test_heads_that_were_merged_into_each_other_merge(
    rig: Rig, merges: MirrorMerges, checkout: Checkout
) -> None:
    one, other, base = three(rig.repository, {"a.tf": "2"}, {"b.tf": "2"})
    rig.repository.git("checkout", "-q", "other")
    rig.repository.git("merge", "-q", "--no-edit", base)
    rig.repository.git("merge", "-q", "--no-edit", one)
    crossed = rig.repository.commit({"b.tf": "3"})
    rig.repository.git("checkout", "-q", "topic")
    rig.repository.git("merge", "-q", "--no-edit", other)
    first = rig.repository.commit({"a.tf": "3"})
    found = merges.merge(rig.repository.remote, crossed, base, "main", first=first)
    assert found.conflicts == ()
    commit = MergedCommit(found.commit, crossed, base, first)
    assert listed(rig, checkout, merges, commit) == {"a.tf": "3", "b.tf": "3", "c.tf": "2"}
