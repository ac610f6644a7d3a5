"""OPA is downloaded only if the operator wrote its checksum down, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.policies.programs import Programs
from bot.services.ports import Watch
from bot.terraform.programs.opa_downloads import OpaDownloads, program_name
from tests.support.opa import opa_script
from tests.support.releases import ReleaseServer

VERSION = "1.22.3"


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    made = ReleaseServer()
    yield made
    made.close()


@pytest.fixture
def source(server: ReleaseServer, tmp_path: Path) -> Callable[[str], OpaDownloads]:
    """Serve a release; return what downloads it with a checksum of that text."""
    server.files[f"/v{VERSION}/{program_name()}"] = opa_script(VERSION)

    def made(checksum: str) -> OpaDownloads:
        checksums = tmp_path / "checksums"
        checksums.write_text(f"# ours\n{checksum}  v{VERSION}/{program_name()}\n")
        return OpaDownloads(tmp_path / "opa", server.base, checksums)

    return made


def test_a_version_whose_checksum_is_right_is_installed_once(
    server: ReleaseServer,
    source: Callable[[str], OpaDownloads],
    onlooker: Callable[[], Watch],
) -> None:
    right = hashlib.sha256(opa_script(VERSION)).hexdigest()
    for _ in range(2):
        found = Programs(VERSION, source=source(right)).provide(onlooker())
        assert found is not None
        assert (found.version, found.origin) == (VERSION, "downloaded")
    assert server.asked == [f"/v{VERSION}/{program_name()}"]


@pytest.mark.parametrize("checksum", ["0" * 64])
def test_a_program_with_another_checksum_is_not_taken(
    source: Callable[[str], OpaDownloads], onlooker: Callable[[], Watch], tmp_path: Path, checksum: str
) -> None:
    with pytest.raises(EngineError, match="does not have the expected checksum"):
        Programs(VERSION, source=source(checksum)).provide(onlooker())
    assert list((tmp_path / "opa").glob("*/opa")) == []


def test_a_version_without_a_checksum_is_not_asked_for(
    server: ReleaseServer, source: Callable[[str], OpaDownloads], onlooker: Callable[[], Watch]
) -> None:
    with pytest.raises(EngineError, match=r"v1\.22\.4/\w+ is not in the file of checksums"):
        Programs("1.22.4", source=source("0" * 64)).provide(onlooker())
    assert server.asked == []


def test_without_a_version_nothing_is_downloaded(
    server: ReleaseServer, source: Callable[[str], OpaDownloads], onlooker: Callable[[], Watch]
) -> None:
    assert Programs(source=source("0" * 64)).provide(onlooker()) is None
    assert server.asked == []
