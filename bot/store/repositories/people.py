"""Sessions, tokens and identities in the database, by the ports of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.people.accounts import Account
from bot.domain.people.program_login import LoginCode, LoginRequest
from bot.domain.people.tokens import ApiToken, Scope
from bot.services.ports.people import IdentityRecord, Named, SessionRecord
from bot.store.connection.upserts import insert_once
from bot.store.schema.people import identities, login_codes, sessions, tokens


class SqlSessions:
    """Sessions, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, record: SessionRecord) -> None:
        """Store a session."""
        account = record.account
        self._connection.execute(
            sa.insert(sessions).values(
                hash=record.hash,
                forge=account.forge,
                login=account.login,
                uid=account.uid,
                begun_at=record.begun_at,
                seen_at=record.seen_at,
            )
        )

    def get(self, hashed: str) -> SessionRecord | None:
        """Return a session, None if there is none."""
        query = sa.select(sessions).where(sessions.c.hash == hashed)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _read_session(row)

    def all(self) -> Sequence[SessionRecord]:
        """Return every session, by login, the one used last first."""
        by_login = (sa.func.lower(sessions.c.login), sessions.c.forge, sessions.c.seen_at.desc())
        query = sa.select(sessions).order_by(*by_login, sessions.c.hash)
        return [_read_session(row) for row in self._connection.execute(query).mappings()]

    def seen(self, hashed: str, at: datetime) -> None:
        """Record that a session was used."""
        self._connection.execute(sa.update(sessions).where(sessions.c.hash == hashed).values(seen_at=at))

    def remove(self, hashed: str) -> None:
        """Forget a session; does nothing if there is none."""
        self._connection.execute(sa.delete(sessions).where(sessions.c.hash == hashed))

    def forget(self, begun_before: datetime, seen_before: datetime) -> None:
        """Forget the sessions that began, or were last used, before."""
        over = sa.or_(sessions.c.begun_at < begun_before, sessions.c.seen_at < seen_before)
        self._connection.execute(sa.delete(sessions).where(over))


class SqlLoginCodes:
    """Codes of programs that were let in, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, code: LoginCode, hashed: str) -> None:
        """Store a code."""
        account, request = code.account, code.request
        self._connection.execute(
            sa.insert(login_codes).values(
                hash=hashed,
                forge=account.forge,
                login=account.login,
                uid=account.uid,
                client=request.client,
                redirect_uri=request.redirect_uri,
                challenge=request.challenge,
                scope=code.scope.value,
                expires_at=code.expires_at,
            )
        )

    def take(self, hashed: str) -> LoginCode | None:
        """Delete a code and return what it was given for. Only one caller gets it."""
        which = login_codes.c.hash == hashed
        row = self._connection.execute(sa.select(login_codes).where(which)).mappings().first()
        if row is None or not self._connection.execute(sa.delete(login_codes).where(which)).rowcount:
            return None
        account = Account(row["forge"], row["login"], row["uid"])
        request = LoginRequest(row["client"], row["redirect_uri"], row["challenge"])
        return LoginCode(account, request, Scope(row["scope"]), row["expires_at"])

    def forget(self, expired_before: datetime) -> None:
        """Delete the codes that expired before this time."""
        self._connection.execute(sa.delete(login_codes).where(login_codes.c.expires_at < expired_before))


class SqlTokens:
    """Tokens, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, token: ApiToken, hashed: str) -> None:
        """Store a token."""
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
                workspaces=list(token.workspaces),
            )
        )

    def get(self, hashed: str) -> ApiToken | None:
        """Return the token with this hash of its secret, None if there is none."""
        query = sa.select(tokens).where(tokens.c.hash == hashed)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _token(row)

    def of(self, account: Account) -> Sequence[ApiToken]:
        """Return an account's tokens, newest first."""
        query = (
            sa.select(tokens)
            # The next owner of a login must not get the tokens of the last one.
            .where(tokens.c.forge == account.forge, tokens.c.uid == account.uid)
            .where(sa.func.lower(tokens.c.login) == account.login.lower())
            .order_by(tokens.c.created_at.desc(), tokens.c.id)
        )
        return [_token(row) for row in self._connection.execute(query).mappings()]

    def standing(self, now: datetime, limit: int, offset: int = 0, token_id: str = "") -> Sequence[ApiToken]:
        """Return everybody's active tokens, by login, newest first; or the one with an id."""
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
        """Record that a token was used."""
        self._connection.execute(sa.update(tokens).where(tokens.c.id == token_id).values(used_at=at))

    def revoke(self, token_id: str, at: datetime) -> None:
        """Revoke a token."""
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
        workspaces=tuple(row["workspaces"]),
    )


def _read_session(row: sa.RowMapping) -> SessionRecord:
    account = Account(row["forge"], row["login"], row["uid"])
    return SessionRecord(row["hash"], account, row["begun_at"], row["seen_at"])


class SqlIdentities:
    """Names of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def first(self, kind: Named, forge: str, name: str, uid: str, at: datetime) -> None:
        """Store the number of a name, unless one is stored."""
        row = {"kind": kind.value, "forge": forge, "name": name, "uid": uid, "doubted": "", "seen_at": at}
        insert_once(self._connection, identities, ["kind", "forge", "name"], row)

    def get(self, kind: Named, forge: str, name: str) -> IdentityRecord | None:
        """Return what is stored for a name, None if it was never seen."""
        row = (
            self._connection.execute(sa.select(identities).where(*_same(kind, forge, name)))
            .mappings()
            .first()
        )
        return None if row is None else IdentityRecord(row["uid"], row["doubted"])

    def doubt(self, kind: Named, forge: str, name: str, uid: str) -> None:
        """Store that a name has another number now."""
        statement = sa.update(identities).where(*_same(kind, forge, name)).values(doubted=uid)
        self._connection.execute(statement)

    def confirm(self, kind: Named, forge: str, name: str, uid: str, at: datetime) -> None:
        """Store the number that an owner has confirmed for a name."""
        statement = sa.update(identities).where(*_same(kind, forge, name))
        self._connection.execute(statement.values(uid=uid, doubted="", seen_at=at))


def _same(kind: Named, forge: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return identities.c.kind == kind.value, identities.c.forge == forge, identities.c.name == name
