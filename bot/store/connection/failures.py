"""The databases' errors in the project's words, so that nothing above the store knows of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from bot.domain.errors import Conflict, NotFound, StoreBusy, StoreUnavailable

_UNIQUE = {"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
_FOREIGN = {"23503", "SQLITE_CONSTRAINT_FOREIGNKEY"}
# PostgreSQL: serialization failure, deadlock, lock not available. SQLite: its busy timeout ran out.
_IN_THE_WAY = {"40001", "40P01", "55P03", "SQLITE_BUSY", "SQLITE_LOCKED"}

# PostgreSQL: undefined table, undefined column. SQLite has only words for these.
_NOT_MIGRATED = {"42P01", "42703"}
_NOT_MIGRATED_WORDS = ("no such table", "no such column")


@contextmanager
def in_our_words() -> Iterator[None]:
    """Translate the database's errors within the block into Conflict, NotFound or StoreUnavailable.

    A database without this version's tables can't be used. Another error in a statement is a bug and passes
    through.
    """
    try:
        yield
    except exc.IntegrityError as error:
        code = _code(error)
        if code in _UNIQUE:
            raise Conflict(_duplicate(str(error.orig))) from error
        if code in _FOREIGN:
            raise NotFound("what this belongs to does not exist (any more)") from error
        raise
    except exc.OperationalError as error:
        if _code(error).removesuffix("_SNAPSHOT").removesuffix("_RECOVERY") in _IN_THE_WAY:
            raise StoreBusy("the database is busy with another change of the same data: try again") from error
        raise StoreUnavailable(_unusable(error)) from error
    except exc.ProgrammingError as error:
        if _code(error) in _NOT_MIGRATED:
            raise StoreUnavailable(_unusable(error)) from error
        raise
    except exc.TimeoutError as error:
        raise StoreUnavailable("the database can't be used: every connection to it is in use") from error


def _code(error: exc.DBAPIError) -> str:
    """The SQLSTATE that PostgreSQL gave, or the name of SQLite's error."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    return str(code or "")


def _unusable(error: exc.DBAPIError) -> str:
    said = f"the database can't be used: {_first_line(error)}"
    if _code(error) in _NOT_MIGRATED or _first_line(error).startswith(_NOT_MIGRATED_WORDS):
        return f"{said}. Its schema is not of this version: run `plangate migrate`"
    return said


def _first_line(error: exc.DBAPIError) -> str:
    return (str(error.orig).strip().splitlines() or ["no reason given"])[0]


def _duplicate(text: str) -> str:
    """Say what already exists: PostgreSQL names the index, SQLite the columns."""
    if "uq_runs_push" in text or text.endswith("runs.workspace_id, runs.commit_sha"):
        return "this commit already has a run in this workspace"
    if "uq_runs_holder" in text or text.endswith("failed: runs.workspace_id"):
        return "another run holds this workspace"
    return "this already exists"
