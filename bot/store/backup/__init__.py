"""Backups: the whole database in one encrypted file, and back into an empty database of either kind."""

from bot.store.backup.dump import dump
from bot.store.backup.load import load

__all__ = ["dump", "load"]
