"""Stores that one test after another has, each with a database that is empty again.

A store that is new knows no statement: each would be compiled anew, which takes longer than most tests.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.support import databases

# The store syncs each commit to the disk, which these tests need not wait for.
_IN_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class KeptStore:
    """A store on a SQLite file, with the vault that it encrypts with."""

    path: Path
    vault: FernetVault
    store: SqlStore

    def empty(self) -> None:
        """Begin again: close what is open, and put a database with no rows in the file's place."""
        self.store.close()
        databases.put_anew(self.path)


@dataclass
class Stores:
    """The stores of a process of the tests; those that nobody has wait for the next test."""

    folder: Path
    _made: int = 0
    _idle: list[KeptStore] = field(default_factory=list)

    def take(self) -> KeptStore:
        """Return a store with an empty database, which nobody else has until it is given back."""
        kept = self._idle.pop() if self._idle else self._new()
        kept.empty()
        return kept

    def give_back(self, kept: KeptStore) -> None:
        """Close a store's connections; somebody else may have it."""
        kept.store.close()
        self._idle.append(kept)

    @contextmanager
    def one(self) -> Iterator[KeptStore]:
        """Have a store while the block lasts."""
        kept = self.take()
        try:
            yield kept
        finally:
            self.give_back(kept)

    def _new(self) -> KeptStore:
        self._made += 1
        path, vault = self.folder / str(self._made) / "plangate.db", FernetVault([generate_key()])
        return KeptStore(path, vault, SqlStore(f"sqlite:///{path}", vault))


@contextmanager
def kept_stores() -> Iterator[Stores]:
    """Keep stores while the block lasts, in memory where that can be had."""
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        yield Stores(Path(folder))
