"""The vault: encryption at rest with keys that rotate, and keys derived for one purpose each (promise 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.domain.errors import ConfigError, PlangateError

_MAKE_ONE = 'make one with: python -c "from bot.vault import generate_key; print(generate_key())"'


def generate_key() -> str:
    """Return a fresh key: 32 random bytes, URL-safe base64, 44 characters."""
    return Fernet.generate_key().decode()


class FernetVault:
    """The Vault port on Fernet: the first key encrypts, every key decrypts.

    To rotate, put a new key before the others, have everything stored encrypted again (`plangate keys
    rotate`), and then drop the old one. `key` derives from what `root` gives, a secret that is kept under
    these keys and outlives them: digests, comment markers and tokens stay the same whatever keys come and go.
    Without a `root`, for what only encrypts, `key` derives from the last key, the oldest.

    Raises ConfigError where a key is missing or malformed, without repeating any of it.
    """

    def __init__(self, keys: Sequence[str], root: Callable[[], bytes] | None = None) -> None:
        if not keys:
            raise ConfigError(f"no encryption key is set; {_MAKE_ONE}")
        fernets = []
        for number, key in enumerate(keys, start=1):
            try:
                fernets.append(Fernet(key.strip()))
            except ValueError:
                # Not chained: the cause must not carry the key into a traceback (promise 6).
                raise ConfigError(
                    f"encryption key {number} of {len(keys)} is malformed: it must be 32 bytes in URL-safe "
                    f"base64, 44 characters; {_MAKE_ONE}"
                ) from None
        self._fernet = MultiFernet(fernets)
        self._first = fernets[0]
        oldest = keys[-1].strip().encode()
        self._root = root or (lambda: oldest)
        self._rooted: bytes | None = None

    def __repr__(self) -> str:
        return "FernetVault(...)"

    def encrypt(self, data: bytes) -> bytes:
        """Return a token that only this vault's keys open."""
        return self._fernet.encrypt(data)

    def decrypt(self, token: bytes) -> bytes:
        """Open a token. Raises PlangateError where no key fits, or the token was tampered with."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise PlangateError(
                "stored data can't be decrypted: none of the encryption keys fits; "
                "put the key that it was written with back, after the current one"
            ) from None

    def rotate(self, token: bytes) -> bytes:
        """Return the token's data encrypted with the first key. Raises PlangateError where no key fits."""
        return self.encrypt(self.decrypt(token))

    def current(self, token: bytes) -> bool:
        """Whether the first key opens a token, so that it need not be encrypted again."""
        try:
            self._first.decrypt(token)
        except InvalidToken:
            return False
        return True

    def key(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose, the same on every machine.

        Asks for the root once. Raises what `root` raises.
        """
        if self._rooted is None:
            self._rooted = self._root()
        info = b"plangate:" + purpose.encode()
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(self._rooted)
