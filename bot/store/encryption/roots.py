"""The root: one random secret per database, from which every derived key comes (promise 6).

It is created once and stored encrypted, so that it outlives each encryption key: digests, comment markers
and tokens stay what they are when keys rotate. A database restored from a backup has its root with it.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from bot.services.ports.world import Vault
from bot.store.connection.upserts import insert_once
from bot.store.schema.roots import roots

_NAME = "derived keys"
_BYTES = 32


def read_root(connection: sa.Connection, vault: Vault) -> bytes | None:
    """Return the root, None if there is none yet. Raises PlangateError if no key fits."""
    query = sa.select(roots.c.data).where(roots.c.name == _NAME)
    token = connection.execute(query).scalar_one_or_none()
    return None if token is None else vault.decrypt(token)


def make_root(connection: sa.Connection, vault: Vault) -> bytes:
    """Create the root, or return the one that another process created first."""
    row = {"name": _NAME, "data": vault.encrypt(secrets.token_bytes(_BYTES))}
    insert_once(connection, roots, ["name"], row)
    made = read_root(connection, vault)
    assert made is not None, "it was made a moment ago, here or by another"
    return made
