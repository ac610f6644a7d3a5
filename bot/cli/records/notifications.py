"""`plangate notifications`: destinations, the log of messages, and tests."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bot.cli.loading import configuration, ready
from bot.cli.records.operator import operator
from bot.cli.records.output import as_json_option, echo_json, printable
from bot.cli.suggestions import SuggestingGroup
from bot.services.ports import DeliveryAttempt, Notification
from bot.wiring import Services


@click.group(cls=SuggestingGroup)
def notifications() -> None:
    """Destinations of notifications, what was sent, and tests."""


@notifications.command("list")
@as_json_option
def list_(*, as_json: bool) -> None:
    """Show the destinations of plangate.yml."""
    found = _services().notifications.destinations
    if as_json:
        echo_json(
            [
                {
                    "name": each.name,
                    "kind": each.kind.value,
                    "triggers": [trigger.value for trigger in each.triggers],
                    "workspaces": list(each.workspaces),
                    "tags": list(each.tags),
                    "exclude": list(each.exclude),
                }
                for each in found
            ]
        )
        return
    for each in found:
        about = ", ".join((*each.workspaces, *each.tags)) or "all workspaces"
        click.echo(f"{each.name}  {each.kind.value}  {', '.join(each.triggers)}  {about}")
    if not found:
        click.echo("no destinations: write one under `notifications:` in plangate.yml")


@notifications.command()
@click.option("--destination", default="", help="Only messages to this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json_option
def log(destination: str, limit: int, *, as_json: bool) -> None:
    """Show the newest messages, with each attempt to deliver them."""
    with _services().store.reading() as tx:
        found = tx.notification_log.find(destination, limit)
        attempts = tx.notification_log.attempts([each.id for each in found])
    if as_json:
        echo_json([_document(each, attempts.get(each.id, ())) for each in found])
        return
    for each in found:
        _show(each, attempts.get(each.id, ()))
    if not found:
        click.echo("no messages yet")


@notifications.command()
@click.argument("name")
def test(name: str) -> None:
    """Send a test to a destination now, and show how it went."""
    services = _services()
    services.notifications.test(name, operator())
    services.notifications.deliver(name)
    with services.store.reading() as tx:
        found = tx.notification_log.find(name, 1)
        attempts = tx.notification_log.attempts([each.id for each in found])
    for each in found:
        _show(each, attempts.get(each.id, ()))
    if not found or found[0].error:
        raise SystemExit(1)


def _services() -> Services:
    services, _ = ready(configuration())
    return services


def _show(notification: Notification, attempts: Sequence[DeliveryAttempt]) -> None:
    at = f"{notification.created_at:%F %H:%M}"
    title = printable(notification.message.title)
    click.echo(f"{notification.id}  {notification.destination}  {notification.state.value}  {at}  {title}")
    for each in attempts:
        click.echo(f"  {each.at:%F %H:%M:%S}  {'ok' if each.ok else 'failed'}  {printable(each.answer)}")


def _document(notification: Notification, attempts: Sequence[DeliveryAttempt]) -> dict[str, object]:
    message = notification.message
    return {
        "id": notification.id,
        "destination": notification.destination,
        "state": notification.state.value,
        "created_at": notification.created_at.isoformat(),
        "next_at": notification.next_at.isoformat() if notification.next_at else None,
        "title": message.title,
        "events": [f"{line.workspace} {line.words}".strip() for line in message.lines],
        "attempts": [{"at": each.at.isoformat(), "ok": each.ok, "answer": each.answer} for each in attempts],
    }
