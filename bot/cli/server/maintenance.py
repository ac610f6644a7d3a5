"""Commands for operators of the server: migrate, sync, replay."""

from __future__ import annotations

import click

from bot.cli.loading import configuration, make_data_folder, ready
from bot.cli.records.operator import operator
from bot.clock import SystemClock
from bot.domain.people.audit import AuditAction
from bot.services.outbox.audit_log import done
from bot.store import SqlStore
from bot.store import migrate as migrate_database
from bot.vault import FernetVault


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    config = configuration()
    make_data_folder(config)
    applied = migrate_database(config.database_url)
    if applied:
        store = SqlStore(config.database_url, FernetVault(config.secret_keys))
        with store.transaction() as tx:
            done(tx, SystemClock(), operator(), AuditAction.MIGRATE, "", ", ".join(applied))
        store.close()
    click.echo(f"applied: {', '.join(applied)}" if applied else "the database is up to date")


@click.command()
def sync() -> None:
    """Bring plangate.yml's workspaces and variables into the database."""
    _, synced = ready(configuration(), serves=True, by=operator())
    for name in synced.kept:
        click.echo(f"kept     {name}")
    for name in synced.retired:
        click.echo(f"retired  {name} (its runs and states stay)")
    for change in synced.variables:
        click.echo(f"{change.what:<8} {change.where}")


@click.command()
@click.argument("delivery_id")
def replay(delivery_id: str) -> None:
    """Show a delivery's decisions; handle a waiting or failed one again."""
    services, _ = ready(configuration())
    with services.store.reading() as tx:
        delivery = tx.deliveries.get(delivery_id)
    if delivery.handled_at is None or delivery.error:
        services.redelivery.reopen(delivery_id, operator())
        services.intake.handle(delivery_id)
    with services.store.reading() as tx:
        delivery = tx.deliveries.get(delivery_id)
    for decision in delivery.decisions:
        where = f" in {decision.workspace}" if decision.workspace else ""
        run = f" ({decision.run})" if decision.run else ""
        click.echo(f"{decision.kind.value}{where}: {decision.reason}{run}")
    if delivery.handled_at is None:
        click.echo(f"not handled yet, after {delivery.attempts} tries: {delivery.error}")
