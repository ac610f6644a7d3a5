"""The vault: encryption at rest with key rotation, derived keys, and signatures (promise 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jwt
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.domain.errors import ConfigError, PlangateError

_CREATE_ONE = 'create one with: python -c "from bot.vault import generate_key; print(generate_key())"'
# Azure takes RS256 and nothing else; everybody else takes it too.
_ALGORITHM = "RS256"
_KEY_BITS = 2048


def generate_key() -> str:
    """Return a fresh key: 32 random bytes, URL-safe base64, 44 characters."""
    return Fernet.generate_key().decode()


class FernetVault:
    """The Vault port on Fernet: the first key encrypts, every key decrypts.

    To rotate keys: put a new key before the others, run `plangate keys rotate`, then remove the old key.

    `key` derives from the secret that `root` returns. That secret is stored encrypted with these keys and
    survives a rotation, so digests, comment markers and tokens stay the same. Without a `root`, `key` derives
    from the last key, the oldest.

    Raises ConfigError if a key is missing or malformed. The message contains no part of a key.
    """

    def __init__(self, keys: Sequence[str], root: Callable[[], bytes] | None = None) -> None:
        if not keys:
            raise ConfigError(f"no encryption key is set; {_CREATE_ONE}")
        fernets = []
        for number, key in enumerate(keys, start=1):
            try:
                fernets.append(Fernet(key.strip()))
            except ValueError:
                # Not chained: the cause must not carry the key into a traceback (promise 6).
                raise ConfigError(
                    f"encryption key {number} of {len(keys)} is not valid: it must be 32 bytes in URL-safe "
                    f"base64, 44 characters; {_CREATE_ONE}"
                ) from None
        self._fernet = MultiFernet(fernets)
        self._first = fernets[0]
        oldest = keys[-1].strip().encode()
        self._root = root or (lambda: oldest)
        self._rooted: bytes | None = None

    def __repr__(self) -> str:
        return "FernetVault(...)"

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt data. Only the keys of this vault can decrypt it."""
        return self._fernet.encrypt(data)

    def decrypt(self, token: bytes) -> bytes:
        """Decrypt a token. Raises PlangateError if no key fits or the token was changed."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise PlangateError(
                "stored data can't be decrypted: none of the encryption keys fits. "
                "Add the key that encrypted it, after the current one"
            ) from None

    def rotate(self, token: bytes) -> bytes:
        """Return the token's data encrypted with the first key. Raises PlangateError if no key fits."""
        return self.encrypt(self.decrypt(token))

    def current(self, token: bytes) -> bool:
        """Whether the first key encrypted this token, so that a rotation can skip it."""
        try:
            self._first.decrypt(token)
        except InvalidToken:
            return False
        return True

    def key(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose, the same on every machine.

        Reads the root once. Raises what `root` raises.
        """
        if self._rooted is None:
            self._rooted = self._root()
        info = b"plangate:" + purpose.encode()
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(self._rooted)

    def new_signing_key(self) -> tuple[bytes, Mapping[str, str]]:
        """Return a fresh key that signs JWTs: its private half as a PEM, its public one as a JWK."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return private, {name: str(public[name]) for name in ("kty", "n", "e")}

    def sign(self, private: bytes, key_id: str, claims: Mapping[str, object]) -> str:
        """Return a JWT with these claims, which names the key that signed it."""
        return jwt.encode(dict(claims), private, algorithm=_ALGORITHM, headers={"kid": key_id})
