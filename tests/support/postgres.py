"""A PostgreSQL server for tests: from the machine's own binaries, or else from the PyPI wheel `pgserver`.

    with running_postgres() as server:
        migrate(server.create("mine"))
        ...
        server.empty("mine")  # before each test: some milliseconds


It listens on a Unix socket alone, in a directory of its own, and forgets everything when it ends.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

_USER = "plangate"
_START_SECONDS = 60.0
# Nothing of a test's database needs to outlive a power cut.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "64MB",
    "deadlock_timeout": "100ms",
    "timezone": "Pacific/Kiritimati",  # +14:00: what forgets to say UTC shows
}


class PostgresMissing(Exception):
    """No PostgreSQL can be had here; the message says why."""


@dataclass
class PostgresServer:
    """A running server, which can be stopped and started again."""

    sockets: Path
    argv: Sequence[str | Path]
    user: pwd.struct_passwd | None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers. Raises PostgresMissing if it does not."""
        with (self.sockets / "log").open("a") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdout=log,
                stderr=log,
                cwd=self.sockets,
                start_new_session=True,  # Ctrl-C is for the tests; they end the server themselves
                **_as(self.user),
            )
        _await_answer(self, self.process, self.sockets / "log")

    def stop(self, *, crash: bool = False) -> None:
        """End every session and stop; after a crash, it has to recover when it starts."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
            self.process.wait()
            self.process = None

    def url(self, database: str) -> str:
        """The address of a database, as DATABASE_URL has it."""
        return f"postgresql://{_USER}@/{database}?host={self.sockets}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database, as a copy of another that nobody is connected to; return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def empty(self, database: str) -> str:
        """End every session in a database and delete every row there but the schema's; return its address."""
        with psycopg.connect(self.url(database)) as session:
            session.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            tables = session.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> %s",
                ["alembic_version"],
            ).fetchall()
            session.execute("SET LOCAL session_replication_role = replica")  # references do not matter now
            for (table,) in tables:
                session.execute(f'DELETE FROM "{table}"')
        return self.url(database)


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a server while the block lasts; a durable one syncs to the disk, as a real one does.

    Raises PostgresMissing where there is none to run.
    """
    binaries = _binaries()
    user = _unprivileged()
    # Not under pytest's folder: a socket's path has 107 characters at most, and another user must get there.
    # In memory where that can be had.
    place = next(path for path in ("/dev/shm", "/tmp")[durable:] if os.access(path, os.W_OK))
    with tempfile.TemporaryDirectory(prefix="pg-", dir=place, ignore_cleanup_errors=True) as name:
        home = Path(name)
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)
        data = home / "data"
        _initialise(binaries, data, user)
        settings = _SETTINGS if durable else _SETTINGS | _FORGETFUL
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        argv: list[str | Path] = [binaries / "postgres", "-D", data, "-k", home, *options]
        server = PostgresServer(home, argv, user)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _binaries() -> Path:
    """The folder with `initdb` and `postgres`: the newest of the machine's, or the wheel's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("pgserver")
    if wheel is not None and wheel.origin is not None:
        folder = Path(wheel.origin).parent / "pginstall" / "bin"
        if (folder / "initdb").exists():
            return folder
    raise PostgresMissing("neither PostgreSQL's binaries nor the wheel pgserver are installed")


def _unprivileged() -> pwd.struct_passwd | None:
    """The user to run the server as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresMissing("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _initialise(binaries: Path, data: Path, user: pwd.struct_passwd | None) -> None:
    command: list[str | Path] = [
        binaries / "initdb",
        "-D",
        data,
        "-U",
        _USER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    try:
        subprocess.run(
            [*command, "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            text=True,
            cwd=data.parent,
            **_as(user),
        )
    except subprocess.CalledProcessError as error:
        raise PostgresMissing(f"initdb failed: {error.stderr.strip()}") from error
    except OSError as error:
        raise PostgresMissing(f"initdb can't be run as an unprivileged user: {error}") from error


def _await_answer(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(server.url("postgres")).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > give_up:
                raise PostgresMissing(f"PostgreSQL did not start: {log.read_text()[-500:]}") from None
            time.sleep(0.05)
