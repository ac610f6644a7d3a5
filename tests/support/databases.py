"""A migrated SQLite database, made once for each process of the tests: a copy of it takes no time."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from bot.store import migrate


@cache
def _bytes() -> bytes:
    with tempfile.TemporaryDirectory(prefix="migrated-") as folder:
        path = Path(folder) / "plangate.db"
        migrate(f"sqlite:///{path}")
        return path.read_bytes()


def put(place: Path) -> Path:
    """Write a database with the schema and no rows to `place`; return it."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.write_bytes(_bytes())
    place.chmod(0o600)
    return place


def put_anew(place: Path) -> Path:
    """Write such a database in the place of one that nobody uses any more; return it."""
    for each in place.parent.glob(f"{place.name}*"):
        each.unlink()
    return put(place)


def data_folder(place: Path) -> Path:
    """Make the data folder of a server whose database is migrated; return it."""
    put(place / "plangate.db")
    return place
