"""`plangate keys`: create and rotate keys for encryption at rest."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from bot import vault
from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.cli.suggestions import SuggestingGroup
from bot.clock import SystemClock
from bot.domain.people.audit import AuditAction
from bot.services.outbox.audit_log import done as note
from bot.store import Rekeyed, SqlStore, migrate, rekey


@click.group(cls=SuggestingGroup)
def keys() -> None:
    """Keys for encryption at rest."""


@keys.command()
def generate() -> None:
    """Print a new key for PLANGATE_SECRET_KEY."""
    click.echo(vault.generate_key())


@keys.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(*, as_json: bool) -> None:
    """Encrypt everything stored with the first key of PLANGATE_SECRET_KEY. Then drop the others.

    Put the new key first, before the old ones, and restart every web process and worker; then run this. The
    servers go on in the meantime. It may be stopped and run again. After it, the old keys can be dropped.
    """
    config = configuration()
    migrate(config.database_url)
    keys_given = vault.FernetVault(config.secret_keys)
    store = SqlStore(config.database_url, keys_given)
    # Before anything is changed: it goes on in many transactions, and may be stopped between any two.
    with store.transaction() as tx:
        note(
            tx,
            SystemClock(),
            operator(),
            AuditAction.ROTATE_KEYS,
            "",
            f"begun, with {len(config.secret_keys)} keys",
        )
    done = rekey(config.database_url, keys_given)
    unreadable = sum(one.unreadable for one in done)
    with store.transaction() as tx:
        told = f"encrypted again: {sum(one.rotated for one in done)}; no key decrypts: {unreadable}"
        note(tx, SystemClock(), operator(), AuditAction.ROTATE_KEYS, "", told)
    store.close()
    click.echo(json.dumps(_document(done), indent=2) if as_json else _words(done))
    if unreadable:
        sys.exit(1)


@keys.command("rotate-identity")
@click.option(
    "--drop-old", is_flag=True, help="Stop serving the old keys: for a key that somebody else may have."
)
def rotate_identity(*, drop_old: bool) -> None:
    """Sign identity tokens with a new key from now on.

    The old public keys are served until every token that they signed has expired. With --drop-old, runs that
    are under way lose their access to clouds. Keys also rotate by themselves, every 90 days.
    """
    services, _ = ready(configuration())
    with services.store.transaction() as tx:
        made = services.issuer_keys.rotate_in(tx, drop_old=drop_old)
        what = "the old keys dropped" if drop_old else "the old keys served until their tokens expire"
        note(tx, services.clock, operator(), AuditAction.ROTATE_IDENTITY, made, what)
    click.echo(f"identity tokens are signed with {made} from now on; {what}")


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
        lost = f", {one.unreadable} that no key decrypts" if one.unreadable else ""
        lines.append(f"{one.table:<19} {one.rotated} encrypted again, {one.current} were already{lost}")
    if any(one.unreadable for one in done):
        return "\n".join(
            [*lines, "Drop no key: put back the key that encrypted the rest, and run this again."]
        )
    return "\n".join([*lines, "Everything is encrypted with the first key: the others can be dropped."])
