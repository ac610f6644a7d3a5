"""The database: all repositories on SQLAlchemy, for SQLite and PostgreSQL."""

from bot.store.connection.migrate import migrate, pending
from bot.store.encryption.rekeying import Rekeyed, rekey
from bot.store.unit import SqlStore

__all__ = ["Rekeyed", "SqlStore", "migrate", "pending", "rekey"]
