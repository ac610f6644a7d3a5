"""Gets versions that are not on this machine, and takes none whose archive is not known to be the real one.

An archive is good when its SHA-256 is the one that the operator wrote down, or else the one in the release's
list of checksums, and one of the operator's keys signed that list. Without either nothing is downloaded.
What is installed lies at `<data>/terraform/<program>/<version>/`, whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import EngineError, Invalid
from bot.domain.workspaces.versions import Constraint, Version
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import Watch
from bot.terraform.files.locks import locked
from bot.terraform.files.runfolder import remove_tree
from bot.terraform.programs.releases import Releases, read_checksums
from bot.terraform.programs.signatures import Keyring
from bot.terraform.programs.transfer import NotThere, Transfer
from bot.terraform.sandbox import SAFE_PATH

# Twice and more of what they are today.
_ARCHIVE_BYTES = 300_000_000
_PROGRAM_BYTES = 600_000_000
_TEXT_BYTES = 32_000_000
_PIECE = 1 << 20
_SHOWN = 5


@dataclass(frozen=True)
class Trust:
    """What downloads are held against: a file of OpenPGP keys, a file of checksums, or both.

    `path` is what is searched for `gpgv`.
    """

    keys: Path | None = None
    checksums: Path | None = None
    path: str = SAFE_PATH

    def keyring(self) -> Keyring | None:
        """Return the keys; None if there are none."""
        return Keyring(self.keys, self.path) if self.keys else None

    def pinned(self) -> dict[str, str]:
        """Return the checksums that the operator wrote down, by the archive's name. Raises EngineError."""
        if self.checksums is None:
            return {}
        try:
            text = self.checksums.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise EngineError(f"the file of checksums {self.checksums.name} can't be read") from error
        return read_checksums(text, self.checksums.name)


class Downloads:
    """Every release that may be had. `folder` is where they are installed; any number of processes share it.

    `limit` is the time for one download, in seconds.
    """

    def __init__(
        self, folder: Path, releases: Sequence[Releases], trust: Trust, *, limit: float = 900
    ) -> None:
        self._folder = folder
        self._releases = {each.kind: each for each in releases}
        self._trust = trust
        self._limit = limit
        self._transfer = Transfer(limit)

    def installed(self, kind: EngineKind) -> Iterator[tuple[Version, Path]]:
        """Return what was downloaded before, in no order."""
        folder = self._folder / kind.value
        for place in folder.iterdir() if folder.is_dir() else ():
            program = place / kind.value
            if os.access(program, os.X_OK):
                with contextlib.suppress(Invalid):
                    yield Version.parse(place.name), program

    def choose(self, kind: EngineKind, allowed: Constraint, watch: Watch, *, listed: bool = False) -> Version:
        """Return the newest version that a constraint allows and that may be had.

        Raises EngineError saying which versions there are, Interrupted, TimedOut.
        """
        if allowed.exact is not None and self._trust.keys is not None and not listed:
            return allowed.exact  # no list is needed, so a mirror may do without one
        offered = self.offered(kind, watch)
        for version in offered:
            if allowed.allows(version):
                return version
        releases = [version.name for version in offered if not version.prerelease] or ["none"]
        more = f" and {len(releases) - _SHOWN} older ones" if len(releases) > _SHOWN else ""
        raise EngineError(f"to download there is {', '.join(releases[:_SHOWN])}{more}")

    def offered(self, kind: EngineKind, watch: Watch) -> list[Version]:
        """Return every version that may be had, the newest first.

        Raises EngineError, Interrupted, TimedOut.
        """
        releases = self._releases[kind]
        pinned = releases.pinned(self._trust.pinned())
        if self._trust.keys is None:
            return pinned
        listed = releases.versions(self._transfer.read(releases.index, _TEXT_BYTES, watch))
        return sorted({*listed, *pinned}, key=lambda version: version.order, reverse=True)

    def install(self, kind: EngineKind, version: Version, watch: Watch) -> Path:
        """Return the program, downloaded and verified where it is not here yet.

        Raises EngineError, Interrupted, TimedOut.
        """
        place = self._folder / kind.value / version.name
        program = place / kind.value
        if os.access(program, os.X_OK):
            return program
        with locked(place.with_name(f"{version.name}.lock"), watch, limit=self._limit):
            if not os.access(program, os.X_OK):
                self._install(self._releases[kind], version, place, watch)
        return program

    def check(self) -> None:
        """Make sure that what downloads are held against is there. Raises EngineError saying what is not."""
        self._trust.pinned()
        if keyring := self._trust.keyring():
            keyring.program()
            keyring.keys()

    def _install(self, releases: Releases, version: Version, place: Path, watch: Watch) -> None:
        watch.output(f"{place.parent.name} {version.name} is not here: downloading it from {releases.host}\n")
        archive = releases.archive(version)
        expected = self._checksum(releases, version, watch)
        scratch = place.with_name(f".{version.name}")
        remove_tree(scratch)  # of a worker that was killed: the lock is ours alone
        scratch.mkdir(mode=0o700)
        try:
            packed, made = scratch / archive, scratch / "made"
            found = self._transfer.save(releases.address(version, archive), packed, _ARCHIVE_BYTES, watch)
            if found != expected:
                raise EngineError(
                    f"{archive} does not have the checksum that it should have: it was not taken"
                )
            made.mkdir(mode=0o755)
            _unpack(packed, releases.kind.value, made / releases.kind.value)
            remove_tree(place)
            made.rename(place)
        finally:
            remove_tree(scratch)

    def _checksum(self, releases: Releases, version: Version, watch: Watch) -> str:
        """Return what the archive's SHA-256 must be: as written down, or as signed."""
        archive = releases.archive(version)
        if pinned := self._trust.pinned().get(archive):
            return pinned
        keyring = self._trust.keyring()
        if keyring is None:
            raise EngineError(f"{archive} is not in the file of checksums")
        names = (releases.checksums(version), releases.signature(version))
        try:
            signed, signature = (
                self._transfer.read(releases.address(version, name), _TEXT_BYTES, watch) for name in names
            )
        except NotThere as error:
            raise EngineError(f"{releases.host} has no such version, or none that is signed") from error
        keyring.verify(names[0], signed, signature)
        listed = read_checksums(signed.decode(errors="replace"), names[0])
        if archive not in listed:
            raise EngineError(f"{releases.host} has no {archive}")
        return listed[archive]


def _unpack(archive: Path, name: str, program: Path) -> None:
    """Write the one file of that name at the archive's top; no path in the archive is used."""
    try:
        with zipfile.ZipFile(archive) as packed:
            member = packed.getinfo(name)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir() or kind not in (0, stat.S_IFREG) or member.file_size > _PROGRAM_BYTES:
                raise EngineError(f"{name} in {archive.name} is not a file, or is too large")
            with packed.open(member) as source, program.open("xb") as file:
                # zipfile reads no more than the size that was checked above, whatever is packed in there.
                while piece := source.read(_PIECE):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
    except KeyError as error:
        raise EngineError(f"{archive.name} holds no {name}") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise EngineError(f"{archive.name} can't be unpacked") from error
    program.chmod(0o755)
