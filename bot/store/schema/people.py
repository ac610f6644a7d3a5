"""The tables of sessions, tokens and identities."""

from __future__ import annotations

from sqlalchemy import Column, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

# The forge's number that a name had when first seen, and a different one seen later.
identities = Table(
    "identities",
    metadata,
    Column("kind", Words, primary_key=True),
    Column("forge", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    Column("uid", Words, nullable=False),
    Column("doubted", Words, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    # A hash of the browser's session id: reading this table does not let anyone sign in.
    Column("hash", Words, primary_key=True),
    Column("forge", Words, nullable=False),
    Column("login", Words, nullable=False),
    Column("uid", Words, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Words, primary_key=True),
    # The hash of the secret that the person's program has.
    Column("hash", Words, nullable=False, unique=True),
    Column("forge", Words, nullable=False),
    Column("login", Words, nullable=False),
    Column("uid", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("scope", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("revoked_at", Moment),
    Column("workspaces", Json, nullable=False),
)

# Codes that `terraform login` exchanges for a token, once, within minutes.
login_codes = Table(
    "login_codes",
    metadata,
    # A hash of the code: reading this table gives nobody a token.
    Column("hash", Words, primary_key=True),
    Column("forge", Words, nullable=False),
    Column("login", Words, nullable=False),
    Column("uid", Words, nullable=False),
    Column("client", Words, nullable=False),
    Column("redirect_uri", Words, nullable=False),
    Column("challenge", Words, nullable=False),
    Column("scope", Words, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
