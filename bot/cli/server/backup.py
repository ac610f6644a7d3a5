"""`plangate backup` and `plangate restore`: the whole database in one encrypted file, and back."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bot.cli.loading import configuration, make_data_folder
from bot.clock import SystemClock
from bot.domain.errors import PlangateError
from bot.store.backup import dump, load
from bot.vault import FernetVault
from bot.wiring import version

_AFTER = """\
Before you start the servers:
- States: if something was applied after the backup, its state here is too old. See docs/how-to/backup.md.
- Runs that were in progress go on. Applies that were cut off end `errored`.
"""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write the whole database into an encrypted file, while the servers run.

    The file can be read only with PLANGATE_SECRET_KEY: keep that apart from it.
    """
    config = configuration()
    if not file.parent.is_dir():
        raise PlangateError(f"there is no folder {file.parent}: create it")
    # Beside its place: a backup that was cut off never has the name of a whole one.
    part = file.with_name(f".{file.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            counts = dump(
                config.database_url, FernetVault(config.secret_keys), out, version(), SystemClock().now()
            )
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"{file}: {sum(counts.values())} rows, {file.stat().st_size} bytes")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def restore(file: Path) -> None:
    """Read a backup into an empty database, of the same or the other kind.

    All of it or nothing. Start no server before.
    """
    config = configuration()
    make_data_folder(config)
    with file.open("rb") as source:
        header, counts = load(config.database_url, FernetVault(config.secret_keys), source)
    click.echo(f"restored {sum(counts.values())} rows of {header.at:%Y-%m-%d %H:%M} UTC")
    click.echo(_AFTER, nl=False)
