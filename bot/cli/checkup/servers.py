"""What the processes share: the database, Redis with the workers behind it, and their own addresses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bot.cli.checkup.finding import Finding, failed, ok, warning
from bot.config import Config
from bot.dispatch import Condition
from bot.domain.errors import PlangateError
from bot.store import pending
from bot.wiring import Services

_PATIENCE = 5.0
# The least that the sweep of a long run of sweeps may lag behind before somebody should look.
_LATE = timedelta(minutes=2)
_MANY_WAITING = 50


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
    with services.store.reading() as tx:
        newest = list(tx.deliveries.recent(1))
    if newest:
        ago = _ago(services.clock.now() - newest[0].received_at)
        yield ok("webhooks", f"the last one came {ago}")
    else:
        yield warning(
            "webhooks",
            "none has come yet",
            f"Let the forge send them to {config.url}/hooks/<forge>, with the secret that is set here",
        )


def _keys(services: Services) -> Finding:
    count = len(services.config.secret_keys)
    try:
        services.vault.key("doctor")
    except PlangateError as error:
        return failed(
            "keys", f"what is stored can't be opened: {error}", "Put the key that it was written with back"
        )
    if count == 1:
        return ok("keys", "1 key, and it opens what is stored")
    advice = "Run `plangate keys rotate`, then drop all but the first"
    return ok("keys", f"{count} keys, and they open what is stored", advice)


def redis(services: Services) -> Iterator[Finding]:
    """Whether Redis answers and who else gets in; which queues have workers; when the last sweep was."""
    try:
        condition = services.dispatch.condition()
    except ConnectionError as error:
        yield failed("redis", str(error), "Start it, or correct REDIS_URL")
        return
    yield _reachable(services, condition)
    yield from _workers(condition)
    yield _swept(services, condition)


def _reachable(services: Services, condition: Condition) -> Finding:
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


def _workers(condition: Condition) -> Iterator[Finding]:
    lonely = [name for name, count in condition.workers.items() if not count]
    said = ", ".join(f"{name} {count}" for name, count in condition.workers.items())
    if lonely:
        yield failed("workers", f"nobody works on: {', '.join(lonely)}", "Start `plangate worker`")
    else:
        yield ok("workers", f"{said} (by queue)")
    crowded = [f"{name} {count}" for name, count in condition.waiting.items() if count >= _MANY_WAITING]
    if crowded:
        yield warning("queues", f"waiting: {', '.join(crowded)}", "Start more workers")


def _swept(services: Services, condition: Condition) -> Finding:
    advice = "An idle worker asks for one: see whether the workers are overloaded, and start another"
    if condition.swept_at is None:
        return warning("sweep", "none since Redis began", advice)
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
            f"whoever signs in as {config.local_admin} from this machine may do everything",
            "That is for the demo and for a look from the server: unset PLANGATE_LOCAL_ADMIN otherwise",
        )


def _answers(name: str, url: str, setting: str) -> Finding:
    advice = f"Start `plangate web`, see to the proxy and the name, or correct {setting}"
    try:
        answer = httpx.get(f"{url}/healthz", timeout=_PATIENCE)
        ours = answer.is_success and answer.json() == {"ok": True}
    except httpx.HTTPError as error:
        return failed(name, f"{url} can't be reached from here: {type(error).__name__}", advice)
    except ValueError:
        ours = False
    if not ours:
        return failed(name, f"{url}/healthz answers {answer.status_code}, and not as Plangate does", advice)
    return ok(name, url)


def _ago(age: timedelta) -> str:
    seconds = max(int(age.total_seconds()), 0)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{seconds} seconds ago"
