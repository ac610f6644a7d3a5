"""Tokens of people's programs in the database: the TokenRecords port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.accounts import Account
from bot.domain.tokens import ApiToken, Scope
from bot.store.schema import tokens


class SqlTokens:
    """Tokens, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, token: ApiToken, hashed: str) -> None:
        """Keep a token."""
        account = token.account
        self._connection.execute(
            sa.insert(tokens).values(
                id=token.id,
                hash=hashed,
                forge=account.forge,
                login=account.login,
                uid=account.uid,
                name=token.name,
                scope=token.scope.value,
                created_at=token.created_at,
                expires_at=token.expires_at,
                used_at=token.used_at,
                revoked_at=token.revoked_at,
            )
        )

    def get(self, hashed: str) -> ApiToken | None:
        """Return the token with this hash of its secret, None where there is none."""
        query = sa.select(tokens).where(tokens.c.hash == hashed)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _token(row)

    def of(self, account: Account) -> Sequence[ApiToken]:
        """Return an account's tokens, newest first."""
        query = (
            sa.select(tokens)
            # Whoever has a login after somebody else has not got their tokens.
            .where(tokens.c.forge == account.forge, tokens.c.uid == account.uid)
            .where(sa.func.lower(tokens.c.login) == account.login.lower())
            .order_by(tokens.c.created_at.desc(), tokens.c.id)
        )
        return [_token(row) for row in self._connection.execute(query).mappings()]

    def standing(self, now: datetime, limit: int, offset: int = 0, token_id: str = "") -> Sequence[ApiToken]:
        """Return everybody's tokens that count, by login, the newest of each first; or the one of an id."""
        query = (
            sa.select(tokens)
            .where(tokens.c.revoked_at.is_(None), tokens.c.expires_at > now)
            .order_by(sa.func.lower(tokens.c.login), tokens.c.created_at.desc(), tokens.c.id)
            .limit(limit)
            .offset(offset)
        )
        if token_id:
            query = query.where(tokens.c.id == token_id)
        return [_token(row) for row in self._connection.execute(query).mappings()]

    def used(self, token_id: str, at: datetime) -> None:
        """Keep that a token was used."""
        self._connection.execute(sa.update(tokens).where(tokens.c.id == token_id).values(used_at=at))

    def revoke(self, token_id: str, at: datetime) -> None:
        """Keep that a token counts no more."""
        self._connection.execute(sa.update(tokens).where(tokens.c.id == token_id).values(revoked_at=at))

    def forget(self, ended_before: datetime) -> None:
        """Forget the tokens that expired, or were revoked, before."""
        over = sa.or_(tokens.c.expires_at < ended_before, tokens.c.revoked_at < ended_before)
        self._connection.execute(sa.delete(tokens).where(over))


def _token(row: sa.RowMapping) -> ApiToken:
    return ApiToken(
        id=row["id"],
        account=Account(row["forge"], row["login"], row["uid"]),
        name=row["name"],
        scope=Scope(row["scope"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        revoked_at=row["revoked_at"],
    )
