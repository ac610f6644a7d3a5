"""`plangate keys`: keys for encryption at rest, made and rotated."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from bot import vault
from bot.cli.loading import configuration
from bot.cli.operator import operator
from bot.clock import SystemClock
from bot.domain.audit import Deed
from bot.services.auditing import done as note
from bot.store import Rekeyed, SqlStore, migrate, rekey


@click.group()
def keys() -> None:
    """Keys for encryption at rest."""


@keys.command()
def generate() -> None:
    """Print a new key for PLANGATE_SECRET_KEY."""
    click.echo(vault.generate_key())


@keys.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(*, as_json: bool) -> None:
    """Encrypt everything stored with the first key of PLANGATE_SECRET_KEY, so that the others can go.

    Put the new key first, before the old ones, and restart every web process and worker; then run this. The
    servers go on meanwhile. It may be stopped and run again. After it, the old keys can be dropped.
    """
    config = configuration()
    migrate(config.database_url)
    keys_given = vault.FernetVault(config.secret_keys)
    store = SqlStore(config.database_url, keys_given)
    # Before anything is changed: it goes on in many transactions, and may be stopped between any two.
    with store.transaction() as tx:
        note(
            tx, SystemClock(), operator(), Deed.ROTATE_KEYS, "", f"begun, with {len(config.secret_keys)} keys"
        )
    done = rekey(config.database_url, keys_given)
    unreadable = sum(one.unreadable for one in done)
    with store.transaction() as tx:
        told = f"encrypted anew: {sum(one.rotated for one in done)}; opened by no key: {unreadable}"
        note(tx, SystemClock(), operator(), Deed.ROTATE_KEYS, "", told)
    store.close()
    click.echo(json.dumps(_document(done), indent=2) if as_json else _words(done))
    if unreadable:
        sys.exit(1)


def _document(done: Sequence[Rekeyed]) -> dict[str, object]:
    unreadable = sum(one.unreadable for one in done)
    return {
        "tables": [asdict(one) for one in done],
        "rotated": sum(one.rotated for one in done),
        "current": sum(one.current for one in done),
        "unreadable": unreadable,
        "old_keys_can_go": not unreadable,
    }


def _words(done: Sequence[Rekeyed]) -> str:
    lines = []
    for one in done:
        lost = f", {one.unreadable} that no key opens" if one.unreadable else ""
        lines.append(f"{one.table:<19} {one.rotated} encrypted anew, {one.current} were already{lost}")
    if any(one.unreadable for one in done):
        return "\n".join(
            [*lines, "Drop no key: put the key that the rest was written with back, and run this again."]
        )
    return "\n".join([*lines, "Everything is encrypted with the first key: the others can be dropped."])
