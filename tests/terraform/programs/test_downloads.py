from __future__ import annotations

import hashlib
import io
import multiprocessing
import stat
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import EngineError, Interrupted
from bot.domain.workspaces.versions import Constraint, Version
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import PlanResult, WatchSignal
from bot.terraform.processes.environment import platform_name
from bot.terraform.programs import downloads as module
from bot.terraform.programs.binaries import Binaries, Program
from bot.terraform.programs.downloads import Downloads, Trust
from bot.terraform.programs.releases import Releases
from tests.support.releases import ReleaseServer, Signer, archive, checksums_file, program
from tests.terraform.conftest import Onlooker, Rig

TERRAFORM, TOFU = EngineKind.TERRAFORM, EngineKind.TOFU


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    # Short, for the agent's socket lies in it.
    made = Signer(tmp_path_factory.getbasetemp() / "gpg")
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    made = ReleaseServer()
    yield made
    made.close()


@pytest.fixture
def sources(server: ReleaseServer, tmp_path: Path) -> Callable[..., Downloads]:
    def make(
        keys: Path | None = None,
        checksums: Path | None = None,
        folder: Path = tmp_path / "terraform",
        **more: Any,
    ) -> Downloads:
        releases = [Releases(kind, server.base) for kind in EngineKind]
        return Downloads(folder, releases, Trust(keys, checksums, **more))

    return make


@pytest.fixture
def provide(onlooker: Callable[..., Onlooker]) -> Callable[..., Program]:
    """What a run does: here first, else from the source."""

    def found(
        source: Downloads,
        constraint: str,
        kind: EngineKind = TERRAFORM,
        watch: Onlooker | None = None,
        **more: Any,
    ) -> Program:
        binaries = Binaries(**{"bundled": False, "source": source, **more})
        return binaries.provide(kind, constraint, watch or onlooker())

    return found


def folders(tmp_path: Path) -> list[str]:
    """What was installed, and whatever else of it lies about."""
    found = sorted(path.relative_to(tmp_path / "terraform") for path in (tmp_path / "terraform").glob("*/*"))
    return [str(path) for path in found if path.suffix != ".lock"]


# --- what is taken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EngineKind)
@pytest.mark.parametrize("form", ["armored", "binary"])
def test_a_signed_release_is_installed_and_runs(
    server: ReleaseServer,
    signer: Signer,
    sources: Callable[..., Downloads],
    provide: Callable[..., Program],
    tmp_path: Path,
    kind: EngineKind,
    form: str,
) -> None:
    server.publish("1.9.5", kind, signer=signer)
    found = provide(sources(keys=getattr(signer, form)), "1.9.5", kind)
    assert (found.version, found.origin) == ("1.9.5", "downloaded")
    assert found.path == tmp_path / "terraform" / kind.value / "1.9.5" / kind.value
    assert found.path.read_bytes() == program("1.9.5", kind.value)
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o755
    assert folders(tmp_path) == [f"{kind.value}/1.9.5"]


def test_an_exact_version_needs_no_list_of_versions(
    server: ReleaseServer, signer: Signer, sources: Callable[..., Downloads], provide: Callable[..., Program]
) -> None:
    server.publish("1.9.5", signer=signer)
    del server.files["/terraform/index.json"]
    assert provide(sources(keys=signer.armored), "= 1.9.5").version == "1.9.5"


def test_a_constraint_takes_the_newest_that_it_allows_and_no_prerelease(
    server: ReleaseServer, signer: Signer, sources: Callable[..., Downloads], provide: Callable[..., Program]
) -> None:
    for version in ("1.8.9", "1.9.10", "1.9.9", "1.10.0-rc1", "2.0.0"):
        server.publish(version, signer=signer)
    assert provide(sources(keys=signer.armored), "~> 1.8").version == "1.9.10"


def test_a_version_without_an_archive_for_this_machine_does_not_count(
    server: ReleaseServer, signer: Signer, sources: Callable[..., Downloads], provide: Callable[..., Program]
) -> None:
    server.publish("1.9.0", signer=signer)
    server.publish("1.9.1", signer=signer)
    server.files["/terraform/index.json"] = server.files["/terraform/index.json"].replace(
        f"terraform_1.9.1_{platform_name()}.zip".encode(), b"terraform_1.9.1_plan9_mips.zip"
    )
    assert provide(sources(keys=signer.armored), "~> 1.9").version == "1.9.0"


def test_what_was_downloaded_is_there_for_the_next_run_and_nothing_is_asked(
    server: ReleaseServer, signer: Signer, sources: Callable[..., Downloads], provide: Callable[..., Program]
) -> None:
    server.publish("1.9.5", signer=signer)
    first = provide(sources(keys=signer.armored), "~> 1.9")
    server.asked.clear()
    assert provide(sources(keys=signer.armored), "~> 1.9") == first
    assert server.asked == []


def test_what_is_here_comes_before_a_newer_one_elsewhere(
    server: ReleaseServer,
    signer: Signer,
    sources: Callable[..., Downloads],
    provide: Callable[..., Program],
    tmp_path: Path,
) -> None:
    server.publish("1.9.9", signer=signer)
    binary = tmp_path / "folder" / "1.9.0" / "terraform"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(program("1.9.0"))
    binary.chmod(0o755)
    here = {"folder": tmp_path / "folder"}
    assert provide(sources(keys=signer.armored), "~> 1.9", **here).version == "1.9.0"
    assert server.asked == []
    assert provide(sources(keys=signer.armored), ">= 1.9.1", **here).version == "1.9.9"
    assert provide(sources(keys=signer.armored), "", **here).version == "1.9.0"


def test_a_checksum_that_the_operator_wrote_down_needs_no_key_and_no_list(
    server: ReleaseServer, sources: Callable[..., Downloads], provide: Callable[..., Program], tmp_path: Path
) -> None:
    trusted = server.publish("1.9.5")
    server.publish("1.9.6")
    source = sources(checksums=checksums_file(tmp_path, terraform_1_9_5=trusted, tofu_1_8_0="0" * 64))
    assert provide(source, "~> 1.9").version == "1.9.5"
    assert server.asked == [f"/terraform/1.9.5/terraform_1.9.5_{platform_name()}.zip"]


def test_a_written_checksum_counts_more_than_a_signature(
    server: ReleaseServer,
    signer: Signer,
    sources: Callable[..., Downloads],
    provide: Callable[..., Program],
    tmp_path: Path,
) -> None:
    server.publish("1.9.5", signer=signer)
    source = sources(keys=signer.armored, checksums=checksums_file(tmp_path, terraform_1_9_5="0" * 64))
    with pytest.raises(EngineError, match="does not have the checksum that it should have"):
        provide(source, "1.9.5")


# As much of a Terraform as a run asks for, of what every sandbox has.
STUB = """#!/bin/sh
case $1 in
  version) echo '{"terraform_version": "1.99.1"}' ;;
  init) mkdir -p .terraform; echo '{"backend": {"type": "http"}}' > .terraform/terraform.tfstate ;;
  plan) for word; do case $word in -out=*) echo saved > "${word#-out=}" ;; esac; done ;;
  show) grep -q saved "$4" && echo '{"resource_changes": []}' ;;
  apply) for last; do :; done
    grep -q saved "$last" && echo 'Apply complete! Resources: 0 added, 0 changed, 0 destroyed.' ;;
esac
"""


def test_a_downloaded_program_plans_and_applies_in_the_sandbox(
    server: ReleaseServer,
    sources: Callable[..., Downloads],
    rig: Rig,
    onlooker: Callable[..., Onlooker],
    tmp_path: Path,
) -> None:
    content = archive("terraform", STUB.encode())
    checksum = server.publish("1.99.1", content=content)
    source = sources(checksums=checksums_file(tmp_path, terraform_1_99_1=checksum), folder=rig.data / "got")
    engine = rig.engine(binaries=Binaries(bundled=False, source=source))
    job, watch = rig.job('resource "terraform_data" "x" {}\n', version="~> 1.99"), onlooker()
    engine.fetch(job, watch)
    # The stand-in makes no real plan: init, plan and show ran, and what they gave is refused.
    with pytest.raises(EngineError, match="the saved plan is not a zip"):
        engine.plan(job, watch)
    assert "Terraform 1.99.1 (downloaded)" in watch.text
    plan = PlanResult(saved_plan=b"saved\n", plan_json=b"", dependency_lock=b"", version="1.99.1")
    assert engine.apply(job, plan, watch).succeeded
    assert server.asked == [f"/terraform/1.99.1/terraform_1.99.1_{platform_name()}.zip"]


# --- what is not --------------------------------------------------------------------------------------------


@pytest.fixture
def refused(
    sources: Callable[..., Downloads], signer: Signer, provide: Callable[..., Program], tmp_path: Path
) -> Callable[..., str]:
    """Expect that 1.9.5 is not taken, and that nothing of it stays; return the words."""

    def why(constraint: str = "1.9.5", **trust: Any) -> str:
        with pytest.raises(EngineError) as failed:
            provide(sources(**(trust or {"keys": signer.armored})), constraint)
        assert folders(tmp_path) == []
        return str(failed.value)

    return why


ARCHIVE = f"/terraform/1.9.5/terraform_1.9.5_{platform_name()}.zip"
SUMS = "/terraform/1.9.5/terraform_1.9.5_SHA256SUMS"


def test_an_archive_with_another_checksum(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    server.publish("1.9.5", signer=signer)
    server.files[ARCHIVE] = archive("terraform", b"#!/bin/sh\nsteal\n")
    assert "does not have the checksum that it should have: it was not taken" in refused()


def test_a_list_that_was_changed_after_it_was_signed(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    server.publish("1.9.5", signer=signer)
    server.files[ARCHIVE] = archive("terraform", b"#!/bin/sh\nsteal\n")
    forged = hashlib.sha256(server.files[ARCHIVE]).hexdigest()
    server.files[SUMS] = f"{forged}  {ARCHIVE.rpartition('/')[2]}\n".encode()
    assert refused().endswith("the signature of terraform_1.9.5_SHA256SUMS is wrong, so it was not taken")
    assert ARCHIVE not in server.asked


def test_a_list_that_somebody_else_signed(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str], tmp_path: Path
) -> None:
    stranger = Signer(tmp_path / "g")
    try:
        server.publish("1.9.5", signer=stranger)
    finally:
        stranger.close()
    assert "is by none of the configured keys" in refused()


def test_the_signed_list_of_another_version(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    server.publish("1.0.0", signer=signer)
    server.publish("1.9.5", signer=signer)
    for suffix in ("", ".sig"):
        server.files[SUMS + suffix] = server.files[SUMS.replace("1.9.5", "1.0.0") + suffix]
    assert f"has no terraform_1.9.5_{platform_name()}.zip" in refused()


def test_a_list_without_a_signature(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    server.publish("1.9.5")
    assert "has no such version, or none that is signed" in refused()


def test_a_signature_that_is_none(server: ReleaseServer, signer: Signer, refused: Callable[..., str]) -> None:
    server.publish("1.9.5", signer=signer)
    server.files[SUMS + ".sig"] = b"good"
    assert "the signature of terraform_1.9.5_SHA256SUMS is wrong" in refused()


def test_a_version_that_there_is_not(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    server.publish("1.9.5", signer=signer)
    words = refused("1.9.4")
    assert words.startswith("Terraform 1.9.4 is not on this worker: there is none; 127.0.0.1:")
    assert "has no such version" in words


def test_a_constraint_that_nothing_fits_is_answered_with_what_there_is(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    for minor in range(8):
        server.publish(f"1.{minor}.0", signer=signer)
    assert refused(">= 2.0") == (
        "Terraform >= 2.0 is not on this worker: there is none; "
        "to download there is 1.7.0, 1.6.0, 1.5.0, 1.4.0, 1.3.0 and 3 older ones"
    )


def test_a_version_whose_checksum_nobody_wrote_down(
    server: ReleaseServer, refused: Callable[..., str], tmp_path: Path
) -> None:
    server.publish("1.9.5")
    trust = {"checksums": checksums_file(tmp_path, terraform_1_9_4="0" * 64)}
    assert refused(**trust).endswith("; to download there is 1.9.4")
    assert server.asked == []


@pytest.mark.parametrize("text", ["1.9.5 is fine\n", "abc  terraform.zip\n"])
def test_a_file_of_checksums_that_is_none(refused: Callable[..., str], tmp_path: Path, text: str) -> None:
    (tmp_path / "checksums").write_text(text)
    assert "line 1 of checksums is not `<sha256>  <file name>`" in refused(checksums=tmp_path / "checksums")


@pytest.mark.parametrize("text", ["", "no key\n", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nQUJD\n"])
def test_a_file_of_keys_that_is_none(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str], tmp_path: Path, text: str
) -> None:
    server.publish("1.9.5", signer=signer)
    (tmp_path / "keys").write_text(text)
    assert "keys holds no OpenPGP public key" in refused(keys=tmp_path / "keys")


def test_without_gpgv_nothing_that_only_a_signature_vouches_for(
    server: ReleaseServer,
    signer: Signer,
    sources: Callable[..., Downloads],
    provide: Callable[..., Program],
    tmp_path: Path,
) -> None:
    server.publish("1.9.5", signer=signer)
    with pytest.raises(EngineError, match="gpgv, which verifies downloads, is not on this worker"):
        provide(sources(keys=signer.armored, path=str(tmp_path)), "1.9.5")
    assert ARCHIVE not in server.asked


def test_a_download_that_breaks_off(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    server.publish("1.9.5", signer=signer)

    def half(request: BaseHTTPRequestHandler) -> None:
        data = server.files[ARCHIVE]
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2])

    server.answers[ARCHIVE] = half
    assert "the connection broke off" in refused()


def test_an_archive_without_end(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ARCHIVE_BYTES", 2_000_000)
    server.publish("1.9.5", signer=signer)

    def much(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(bytes(1 << 16))
        except OSError:
            pass

    server.answers[ARCHIVE] = much
    assert "is larger than 2 MB and was not taken" in refused()


def test_a_redirect_out_of_https(server: ReleaseServer, signer: Signer, refused: Callable[..., str]) -> None:
    server.publish("1.9.5", signer=signer)

    def away(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", "http://mirror.example.org/terraform.zip")
        request.end_headers()

    server.answers[ARCHIVE] = away
    assert "mirror.example.org is only asked over https" in refused()


def test_a_server_that_is_out_of_order(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str]
) -> None:
    server.answers[SUMS] = lambda request: request.send_error(503)
    assert "answered 503 when asked for terraform_1.9.5_SHA256SUMS" in refused()


def test_a_server_that_is_not_there(
    server: ReleaseServer, signer: Signer, sources: Callable[..., Downloads], provide: Callable[..., Program]
) -> None:
    source = sources(keys=signer.armored)
    server.close()
    with pytest.raises(EngineError, match="could not be downloaded: the server cannot be reached"):
        provide(source, "1.9.5")


@pytest.mark.parametrize("index", [b"<html>", b"[]", b'{"versions": 3}', b'{"versions": {"1.9.5": {}}}'])
def test_a_list_of_versions_that_makes_no_sense(
    server: ReleaseServer, refused: Callable[..., str], signer: Signer, index: bytes
) -> None:
    server.files["/terraform/index.json"] = index
    assert "gave a list of versions that can't be read" in refused("~> 1.9")


def hostile(**members: tuple[int, bytes]) -> bytes:
    """An archive whose members are what they should not be."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, (mode, data) in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, data)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (hostile(**{"../terraform": (stat.S_IFREG | 0o755, b"x")}), "holds no terraform"),
        (hostile(**{"bin/terraform": (stat.S_IFREG | 0o755, b"x")}), "holds no terraform"),
        (hostile(terraform=(stat.S_IFLNK | 0o777, b"/bin/sh")), "is not a file, or is too large"),
        (hostile(**{"terraform/": (stat.S_IFDIR | 0o755, b"")}), "holds no terraform"),
        (b"this is no zip", "can't be unpacked"),
        (archive("terraform", b"x" * 5000)[:-400], "can't be unpacked"),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_though_its_checksum_is_right(
    server: ReleaseServer,
    signer: Signer,
    refused: Callable[..., str],
    tmp_path: Path,
    content: bytes,
    words: str,
) -> None:
    server.publish("1.9.5", signer=signer, content=content)
    assert words in refused()
    assert not (tmp_path / "terraform" / "terraform" / "terraform").exists()


def test_a_program_that_unpacks_to_more_than_it_may(
    server: ReleaseServer, signer: Signer, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PROGRAM_BYTES", 1_000_000)
    server.publish("1.9.5", signer=signer, content=archive("terraform", bytes(1_000_001)))
    assert "is not a file, or is too large" in refused()


def test_members_that_lead_out_are_left_alone(
    server: ReleaseServer,
    signer: Signer,
    sources: Callable[..., Downloads],
    provide: Callable[..., Program],
    tmp_path: Path,
) -> None:
    content = archive("terraform", program("1.9.5"), **{"../../planted": b"x", "/tmp/planted": b"x"})
    server.publish("1.9.5", signer=signer, content=content)
    found = provide(sources(keys=signer.armored), "1.9.5")
    assert found.path is not None
    assert [path.name for path in found.path.parent.iterdir()] == ["terraform"]
    assert list(tmp_path.rglob("planted")) == []


# --- many at once, and in between ---------------------------------------------------------------------------


def _install(folder: Path, base: str, checksums: Path, results: Any) -> None:
    class Patience:
        def output(self, text: str) -> None:
            pass

        def tick(self) -> WatchSignal:
            return WatchSignal.GO_ON

    source = Downloads(folder, [Releases(TERRAFORM, base)], Trust(None, checksums))
    results.put(str(source.install(TERRAFORM, Version.parse("1.9.5"), Patience())))


def test_workers_that_need_one_version_at_once_download_it_once(
    server: ReleaseServer, tmp_path: Path
) -> None:
    trusted = checksums_file(tmp_path, terraform_1_9_5=server.publish("1.9.5"))
    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    arguments = (tmp_path / "terraform", server.base, trusted, results)
    workers = [forking.Process(target=_install, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join(60)
    assert found == {str(tmp_path / "terraform" / "terraform" / "1.9.5" / "terraform")}
    assert server.asked == [ARCHIVE]


def test_what_a_killed_worker_left_is_cleared_away(
    server: ReleaseServer, sources: Callable[..., Downloads], provide: Callable[..., Program], tmp_path: Path
) -> None:
    left = tmp_path / "terraform" / "terraform" / ".1.9.5"
    left.mkdir(parents=True)
    (left / ARCHIVE.rpartition("/")[2]).write_bytes(b"half")
    source = sources(checksums=checksums_file(tmp_path, terraform_1_9_5=server.publish("1.9.5")))
    assert provide(source, "1.9.5").version == "1.9.5"
    assert folders(tmp_path) == ["terraform/1.9.5"]


def test_a_cancel_stops_a_download(
    server: ReleaseServer,
    sources: Callable[..., Downloads],
    provide: Callable[..., Program],
    tmp_path: Path,
    onlooker: Callable[..., Onlooker],
) -> None:
    source = sources(checksums=checksums_file(tmp_path, terraform_1_9_5=server.publish("1.9.5")))
    with pytest.raises(Interrupted):
        provide(source, "1.9.5", watch=onlooker(when="downloading it from"))
    assert folders(tmp_path) == []


def test_the_run_s_output_says_that_something_is_downloaded(
    server: ReleaseServer,
    sources: Callable[..., Downloads],
    provide: Callable[..., Program],
    tmp_path: Path,
    onlooker: Callable[..., Onlooker],
) -> None:
    watch = onlooker()
    source = sources(checksums=checksums_file(tmp_path, terraform_1_9_5=server.publish("1.9.5")))
    provide(source, "1.9.5", watch=watch)
    assert watch.text == f"terraform 1.9.5 is not here: downloading it from {server.base[7:]}\n"


# --- names and addresses ------------------------------------------------------------------------------------


def test_addresses_are_those_of_the_real_servers() -> None:
    version = Version.parse("1.9")
    terraform = Releases(TERRAFORM, "https://releases.hashicorp.com")
    assert terraform.index == "https://releases.hashicorp.com/terraform/index.json"
    assert terraform.address(version, terraform.signature(version)) == (
        "https://releases.hashicorp.com/terraform/1.9.0/terraform_1.9.0_SHA256SUMS.sig"
    )
    tofu = Releases(TOFU, "https://github.com/opentofu/opentofu/releases/download")
    assert tofu.index == "https://get.opentofu.org/tofu/api.json"
    assert tofu.address(version, tofu.signature(version)) == (
        "https://github.com/opentofu/opentofu/releases/download/v1.9.0/tofu_1.9.0_SHA256SUMS.gpgsig"
    )
    assert (
        Releases(TOFU, "https://mirror.example.org/tofu").index == "https://mirror.example.org/tofu/api.json"
    )


@pytest.mark.parametrize(
    ("constraint", "exact"),
    [
        ("1.9.5", "1.9.5"),
        ("= 1.9", "1.9"),
        ("1.10.0-rc1", "1.10.0-rc1"),
        ("1.9.5, >= 1", "1.9.5"),
        ("1.9.5, < 1", None),
        ("~> 1.9", None),
        ("", None),
    ],
)
def test_which_constraints_leave_one_version(constraint: str, exact: str | None) -> None:
    found = Constraint.parse(constraint).exact
    assert (str(found) if found else None) == exact
