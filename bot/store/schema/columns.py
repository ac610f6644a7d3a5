"""Column types that make SQLite and PostgreSQL behave alike: aware times, text of any origin, big numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

# PostgreSQL keeps no NUL in text, and no database half of a surrogate pair. Both may come from outside.
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def keepable(text: str) -> str:
    """Return the text with each character that a database can't keep replaced by U+FFFD, same length."""
    return _UNKEEPABLE.sub("\ufffd", text)


class Moment(TypeDecorator[datetime]):
    """A point in time: goes in aware, is kept as UTC, comes back aware in UTC. Raises ValueError if naive."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn into UTC; SQLite keeps no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be kept")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Come back aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text of any length and origin; see `keepable`."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Replace what no database keeps."""
        return None if value is None else keepable(value)


Json = sa.JSON(none_as_null=True)
# SQLite numbers its rows by itself only where the type is exactly INTEGER.
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
