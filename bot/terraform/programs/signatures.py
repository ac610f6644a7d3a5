"""Verifies OpenPGP signatures by `gpgv`, which trusts exactly the keys that it is given."""

from __future__ import annotations

import base64
import binascii
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from bot.domain.errors import EngineError
from bot.terraform.sandbox import SAFE_PATH

_SECONDS = 60
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\S\n]*\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
# Whatever else gpgv says of a signature, these must not be among it.
_REFUSED = ("BADSIG", "ERRSIG", "EXPSIG", "REVKEYSIG", "NODATA", "FAILURE")


class Keyring:
    """The public keys in a file: one or more armored blocks, as they are published, or a binary keyring.

    `path` is what is searched for `gpgv`.
    """

    def __init__(self, file: Path, path: str = SAFE_PATH) -> None:
        self._file = file
        self._path = path

    def verify(self, name: str, signed: bytes, signature: bytes) -> None:
        """Make sure that one of the keys signed this. Raises EngineError; `name` is the file's."""
        program, keys = self.program(), self.keys()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for part, data in (("keys", keys), ("signed", signed), ("signature", signature)):
                (folder / part).write_bytes(data)
            argv = [program, "--homedir", scratch, "--status-fd", "1", "--keyring", str(folder / "keys")]
            try:
                done = subprocess.run(
                    [*argv, str(folder / "signature"), str(folder / "signed")],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    env={"PATH": SAFE_PATH, "LC_ALL": "C.UTF-8"},
                    timeout=_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise EngineError(
                    f"gpgv failed, so the signature of {name} is not known to be good"
                ) from error
        said = {line.split()[1] for line in done.stdout.decode(errors="replace").splitlines() if " " in line}
        if done.returncode or "VALIDSIG" not in said or said & set(_REFUSED):
            why = "by none of the configured keys" if "NO_PUBKEY" in said else "wrong"
            raise EngineError(f"the signature of {name} is {why}, so it was not taken")

    def program(self) -> str:
        """Return gpgv's path. Raises EngineError if it is not installed."""
        found = shutil.which("gpgv", path=self._path)
        if found is None:
            raise EngineError("gpgv, which verifies downloads, is not on this worker: install GnuPG's gpgv")
        return found

    def keys(self) -> bytes:
        """Return the keys as gpgv reads them. Raises EngineError if it finds none."""
        try:
            data = self._file.read_bytes()
        except OSError as error:
            raise EngineError(f"the file of keys can't be read: {error.strerror}") from error
        if b"-----BEGIN" not in data:
            keys = data
        else:
            keys = b"".join(_bare(block) for block in _ARMOR.findall(data.replace(b"\r\n", b"\n")))
        if not keys or not keys[0] & 0x80:  # the first bit of every OpenPGP packet
            raise EngineError(f"{self._file.name} holds no OpenPGP public key")
        return keys


def _bare(block: bytes) -> bytes:
    """Return an armored block's content, without headers and checksum."""
    body = block.rpartition(b"\n\n")[2]
    lines = [line for line in body.split(b"\n") if not line.startswith(b"=")]
    try:
        return base64.b64decode(b"".join(lines), validate=True)
    except binascii.Error as error:
        raise EngineError("the file of keys holds a block that is not base64") from error
