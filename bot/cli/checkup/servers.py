"""Checks of shared services: the database, Redis, the workers, and Plangate's own addresses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bot.cli.checkup.finding import Finding, failed, ok, warning
from bot.config import Config
from bot.domain.errors import PlangateError
from bot.services.ports import DeliveryQuery, QueueHealth
from bot.services.ports.deliveries import FOUND, was_found
from bot.store import pending
from bot.wiring import Services

_PATIENCE = 5.0
# The smallest delay of the sweep that is reported.
_LATE = timedelta(minutes=2)
_MANY_WAITING = 50
_RECENT = 100


def database(services: Services) -> Iterator[Finding]:
    """Whether the database answers, has its schema, and is opened by the keys."""
    config = services.config
    kind = "SQLite" if config.database_url.startswith("sqlite") else "PostgreSQL"
    try:
        missing = pending(config.database_url)
    except PlangateError as error:
        yield failed("database", f"{kind}: {error}", "Start it, or correct DATABASE_URL")
        return
    if missing:
        count = f"{len(missing)} migration{'s are' if len(missing) > 1 else ' is'} missing"
        yield failed("database", f"{kind}: {count} ({', '.join(missing)})", "Run `plangate migrate`")
        return
    yield ok("database", f"{kind}, schema up to date")
    yield _keys(services)
    yield webhooks(services)
    yield catching_up(services)
    if services.config.catching_up.calls:
        yield failed_deliveries(services)


def webhooks(services: Services) -> Finding:
    """Whether webhooks arrive, and how many of the last day did not."""
    now, address = services.clock.now(), f"{services.config.url}/hooks/<forge>"
    with services.store.reading() as tx:
        recent = tx.deliveries.recent(_RECENT)
        found = tx.deliveries.recent(_RECENT, query=DeliveryQuery(event=FOUND))
    arrived = next((each for each in recent if each.forge and not was_found(each)), None)
    missed = [each for each in found if now - each.received_at < timedelta(days=1)]
    if arrived is None:
        advice = f"Set the forge's webhook to {address}, with the secret of these settings"
        return warning("webhooks", "none arrived yet", advice)
    said = f"the last one arrived {_ago(now - arrived.received_at)}"
    if missed:
        return warning(
            "webhooks",
            f"{said}; {len(missed)} of the last day never came, and were found by comparing with the forge",
            f"Look at the webhook's recent deliveries on the forge: do its calls reach {address}?",
        )
    return ok("webhooks", said)


def catching_up(services: Services) -> Finding:
    """Whether repositories are compared with their forges."""
    settings, now = services.config.catching_up, services.clock.now()
    if not settings.calls:
        advice = "Unset PLANGATE_CATCH_UP_CALLS"
        return warning("catching up", "it is off: webhooks that never come are not noticed", advice)
    watches = services.catch_up.watches()
    if failed_ones := [watch for watch in watches if watch.error]:
        first, more = failed_ones[0], len(failed_ones) - 1
        others = f"; and {more} more" if more else ""
        return warning("catching up", f"{first.repo}: {first.error}{others}", "It is tried again by itself")
    late = [watch for watch in watches if now - watch.due_at > max(_LATE, settings.every)]
    if late:
        return warning(
            "catching up",
            f"{len(late)} of {len(watches)} repositories wait to be compared with their forge",
            "Raise PLANGATE_CATCH_UP_CALLS, or start more workers",
        )
    count = f"{len(watches)} repositor{'y is' if len(watches) == 1 else 'ies are'}"
    return ok("catching up", f"{count} compared with the forge")


def failed_deliveries(services: Services) -> Finding:
    """Whether the forges send failed deliveries again, and for which webhooks they list them."""
    name, hooks = "failed deliveries", services.catch_up.hooks()
    summary = services.failed_deliveries.summary()
    if troubled := [watch for watch in hooks if watch.error and not watch.refused]:
        place = str(troubled[0].repo).removesuffix(":")
        return warning(name, f"{place}: {troubled[0].error}", "It is tried again by itself")
    if summary.lost:
        advice = "Look at the webhook's recent deliveries on the forge: why do they fail?"
        return warning(name, summary.words, advice)
    said = summary.words or "none was asked for again within 4 days"
    refused = [watch for watch in hooks if watch.refused]
    if not refused:
        return ok(name, said)
    more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
    advice = "Comparing finds most of what is missed. To find all, let our token see and resend webhooks"
    return ok(name, f"{said}; not looked for: {refused[0].error}{more}", advice)


def _keys(services: Services) -> Finding:
    count = len(services.config.secret_keys)
    try:
        services.vault.key("doctor")
    except PlangateError as error:
        return failed(
            "keys", f"stored data can't be decrypted: {error}", "Put back the key that encrypted it"
        )
    if count == 1:
        return ok("keys", "1 key, and it decrypts the stored data")
    advice = "Run `plangate keys rotate`, then drop all but the first"
    return ok("keys", f"{count} keys, and they decrypt the stored data", advice)


def redis(services: Services) -> Iterator[Finding]:
    """Whether Redis answers and who else gets in; which queues have workers; when the last sweep was."""
    try:
        condition = services.queues.condition()
    except ConnectionError as error:
        yield failed("redis", str(error), "Start it, or correct REDIS_URL")
        return
    yield _reachable(services, condition)
    yield from _workers(condition)
    yield _swept(services, condition)


def _reachable(services: Services, condition: QueueHealth) -> Finding:
    said = condition.version or "it answers"
    if condition.socket is not None:
        if _hidden(services, condition.socket):
            return ok("redis", f"{said} on a socket that Terraform's processes do not see")
        return warning(
            "redis",
            f"{said} on the socket {condition.socket}, which Terraform's processes can reach",
            "Put the socket into PLANGATE_DATA or below /run, and use the sandbox",
        )
    if condition.open:
        return warning(
            "redis",
            f"{said}, and it asks for no password: code of a pull request shares the workers' network",
            "Give it a password (requirepass) and write it into REDIS_URL, or let it listen on a socket",
        )
    return ok("redis", f"{said}, with a password")


def _hidden(services: Services, socket: Path) -> bool:
    try:
        return services.sandbox.hides(socket)
    except PlangateError:
        return True  # a sandbox that is required and does not work: no run starts at all


def _workers(condition: QueueHealth) -> Iterator[Finding]:
    lonely = [name for name, count in condition.workers.items() if not count]
    said = ", ".join(f"{name} {count}" for name, count in condition.workers.items())
    if lonely:
        yield failed("workers", f"no worker for the queues: {', '.join(lonely)}", "Start `plangate worker`")
    else:
        yield ok("workers", f"{said} (by queue)")
    crowded = [f"{name} {count}" for name, count in condition.waiting.items() if count >= _MANY_WAITING]
    if crowded:
        yield warning("queues", f"waiting: {', '.join(crowded)}", "Start more workers")


def _swept(services: Services, condition: QueueHealth) -> Finding:
    advice = "An idle worker starts one: check whether the workers are overloaded, or start another worker"
    if condition.swept_at is None:
        return warning("sweep", "none since Redis started", advice)
    age = services.clock.now() - condition.swept_at
    late = age > max(_LATE, 4 * services.config.sweep)
    said = f"the last one was {_ago(age)}"
    return warning("sweep", said, advice) if late else ok("sweep", said)


def addresses(config: Config) -> Iterator[Finding]:
    """Whether the web processes answer where people, forges and Terraform look for them."""
    yield _answers("public address", config.url, "PLANGATE_URL")
    if config.internal_url != config.url:
        yield _answers("internal address", config.internal_url, "PLANGATE_INTERNAL_URL")
    if urlsplit(config.url).scheme == "http" and not config.local_admin:
        yield warning(
            "tls",
            "PLANGATE_URL is plain http",
            "Put a proxy with TLS in front: cookies and tokens travel on it",
        )
    if config.local_admin:
        yield warning(
            "local administrator",
            f"people who sign in as {config.local_admin} from this machine may do everything",
            "This is for the demo and for emergencies: unset PLANGATE_LOCAL_ADMIN otherwise",
        )


def _answers(name: str, url: str, setting: str) -> Finding:
    advice = f"Start `plangate web`, check the proxy and the host name, or correct {setting}"
    try:
        answer = httpx.get(f"{url}/healthz", timeout=_PATIENCE)
        ours = answer.is_success and answer.json() == {"ok": True}
    except httpx.HTTPError as error:
        return failed(name, f"{url} can't be reached from here: {type(error).__name__}", advice)
    except ValueError:
        ours = False
    if not ours:
        return failed(name, f"{url}/healthz answers {answer.status_code}, but not by Plangate", advice)
    return ok(name, url)


def _ago(age: timedelta) -> str:
    seconds = max(int(age.total_seconds()), 0)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{seconds} seconds ago"
