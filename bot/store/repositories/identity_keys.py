"""Keys that sign identity tokens, in the database: the IdentityKeys port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.services.ports.identity import IdentityKey
from bot.services.ports.world import Vault
from bot.store.schema import identity_keys


class SqlIdentityKeys:
    """Keys of one transaction; private halves go through the vault (promise 6)."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def all(self) -> Sequence[IdentityKey]:
        """Return every key, the newest first."""
        query = sa.select(identity_keys).order_by(identity_keys.c.used_from.desc(), identity_keys.c.id)
        return [self._read(row) for row in self._connection.execute(query).mappings()]

    def add(self, key: IdentityKey) -> None:
        """Keep a key."""
        self._connection.execute(
            sa.insert(identity_keys).values(
                id=key.id,
                private=self._vault.encrypt(key.private) if key.private else None,
                public=dict(key.public),
                used_from=key.used_from,
                retired_at=key.retired_at,
            )
        )

    def retire(self, key_id: str, at: datetime) -> None:
        """Say from when on a key signs no more."""
        self._update(key_id, retired_at=at)

    def forget_private(self, key_id: str) -> None:
        """Forget the private half of a key that signs no more."""
        self._update(key_id, private=None)

    def remove(self, key_id: str) -> None:
        """Forget a key."""
        self._connection.execute(sa.delete(identity_keys).where(identity_keys.c.id == key_id))

    def _update(self, key_id: str, **values: object) -> None:
        self._connection.execute(
            sa.update(identity_keys).where(identity_keys.c.id == key_id).values(**values)
        )

    def _read(self, row: sa.RowMapping) -> IdentityKey:
        private = b"" if row["private"] is None else self._vault.decrypt(row["private"])
        return IdentityKey(row["id"], private, row["public"], row["used_from"], row["retired_at"])
