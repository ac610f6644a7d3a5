"""The cache of providers: filled at once or not at all, and never changed under a run that uses it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.terraform.processes.environment import platform_name
from bot.terraform.running import provider_cache

PLACE = Path("registry.terraform.io/hashicorp/null/2.1.2") / platform_name()


@pytest.fixture
def brought(tmp_path: Path) -> Callable[[str], Path]:
    def bring(name: str) -> Path:
        found = tmp_path / name / ".terraform" / "providers" / PLACE
        found.mkdir(parents=True)
        (found / "provider").write_text(name)
        return tmp_path / name

    return bring


def used_by(directory: Path) -> Path:
    return directory / ".terraform" / "providers" / PLACE


def test_what_the_first_brought_stays_and_whoever_comes_later_uses_its_own(
    tmp_path: Path, brought: Callable[[str], Path]
) -> None:
    first, second = brought("first"), brought("second")
    for each in (first, second, first):
        provider_cache.add(tmp_path / "cache", each)
    assert (tmp_path / "cache" / PLACE / "provider").read_text() == "first"
    assert used_by(first).readlink() == tmp_path / "cache" / PLACE
    assert not used_by(second).is_symlink()
    assert (used_by(second) / "provider").read_text() == "second"


def test_of_many_at_once_one_is_kept_whole_and_all_can_go_on(
    tmp_path: Path, brought: Callable[[str], Path]
) -> None:
    names = [f"run-{number}" for number in range(8)]
    directories = [brought(name) for name in names]
    start = threading.Barrier(len(names))

    def add(directory: Path) -> None:
        start.wait()
        provider_cache.add(tmp_path / "cache", directory)

    threads = [threading.Thread(target=add, args=(each,)) for each in directories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [used_by(each).is_symlink() for each in directories].count(True) == 1
    kept = (tmp_path / "cache" / PLACE / "provider").read_text()
    assert [
        (used_by(each) / "provider").read_text() for each in directories if not used_by(each).is_symlink()
    ] == [name for name in names if name != kept]
    files = {each.name for each in (tmp_path / "cache" / PLACE.parent).iterdir()}
    assert files == {PLACE.name, f"{PLACE.name}.h1"}


def test_a_link_into_a_mirror_is_kept_as_a_link(tmp_path: Path, brought: Callable[[str], Path]) -> None:
    mirror, directory = tmp_path / "mirror", brought("run")
    used_by(directory).rename(mirror)
    used_by(directory).symlink_to(mirror)
    for _ in range(2):
        provider_cache.add(tmp_path / "cache", directory)
    assert (tmp_path / "cache" / PLACE).readlink() == mirror


def test_all_that_is_locked_must_be_there(tmp_path: Path, brought: Callable[[str], Path]) -> None:
    provider_cache.add(tmp_path, brought("run"))
    known = provider_cache.package_hash(tmp_path / PLACE)
    lock = (
        'provider "registry.terraform.io/hashicorp/null" {\n  version = "%s"\n'
        + f'  hashes = [\n    "{known}",\n  ]\n}}\n'
    )
    other = (lock % "3.0.0").replace("hashicorp/null", "hashicorp/random")
    assert provider_cache.has_all(tmp_path, (lock % "2.1.2").encode())
    assert not provider_cache.has_all(tmp_path, (lock % "3.0.0").encode())
    assert not provider_cache.has_all(tmp_path, (lock % "2.1.2" + other).encode())
    assert not provider_cache.has_all(tmp_path, (lock % "2.1.2").replace(known, "h1:another").encode())
    assert not provider_cache.has_all(tmp_path, b"")


def test_a_package_s_hash_is_terraform_s_own(tmp_path: Path) -> None:
    # By `sha256sum docs/README.md provider | sha256sum`: Terraform writes the same, see the tests of trees.
    (tmp_path / "docs").mkdir()
    (tmp_path / "provider").write_text("a program\n")
    (tmp_path / "docs" / "README.md").write_text("read me\n")
    assert provider_cache.package_hash(tmp_path) == "h1:BOJZ1J4bFYcE2ITkxCEnGlNsQvJwU33h9k++wASylLo="


def test_what_a_killed_worker_left_in_the_midst_is_removed_a_day_later(
    tmp_path: Path, brought: Callable[[str], Path]
) -> None:
    place = (tmp_path / "cache" / PLACE).parent
    for name in (".coming-old", ".coming-new"):
        (place / name / PLACE.name).mkdir(parents=True)
    os.utime(place / ".coming-old", (0, 0))
    provider_cache.add(tmp_path / "cache", brought("run"))
    assert sorted(each.name for each in place.iterdir()) == [
        ".coming-new",
        PLACE.name,
        f"{PLACE.name}.h1",
    ]
