"""`plangate doctor`: checks every part, and says how to fix what does not work."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial

import click

from bot.cli.checkup import forges, issuer, machine, policies, servers, signing_in
from bot.cli.checkup.finding import Check, Finding, State, examine, failed, ok, warning
from bot.cli.loading import settings
from bot.config import Config
from bot.domain.errors import ConfigError
from bot.wiring import Services, build

_PATIENCE = 20.0
_MARKS = {State.OK: "✓", State.WARNING: "!", State.FAILED: "✗"}
_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool) -> None:
    """Check every part and say how to fix it; exit with 1 if one does not work.

    Changes nothing. Run it on the machine of a web process or worker, as its user and with its settings.
    """
    findings = look(settings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(_line(finding))
    if any(finding.state is State.FAILED for finding in findings):
        sys.exit(1)


def look(read: Callable[[], Config], builds: Callable[[Config], Services] = build) -> list[Finding]:
    """Look at every part, the configuration that is read first."""
    try:
        config = read()
        services = builds(config)
    except ConfigError as error:
        return [failed("configuration", *_said(error))]
    return [*_configuration(config), *examine(_checks(services), _PATIENCE)]


def _checks(services: Services) -> dict[str, Check]:
    config = services.config
    return {
        "data folder": partial(machine.data_folder, config),
        "database": partial(servers.database, services),
        "redis": partial(servers.redis, services),
        **{
            about.name: partial(forges.forge, config, about, services.forge_checks[about.name])
            for about in config.forges
        },
        "signing in": partial(signing_in.signing_in, services),
        "git": partial(machine.git, config),
        "programs": partial(machine.programs, services),
        "policies": partial(policies.evaluator, services),
        "sandbox": partial(machine.sandbox, services),
        "addresses": partial(servers.addresses, config),
        "identity tokens": partial(issuer.issuer, config),
    }


def _configuration(config: Config) -> Iterator[Finding]:
    count = ", ".join(
        f"{len(found)} {word}{'' if len(found) == 1 else 's'}"
        for found, word in ((config.workspaces, "workspace"), (config.discover, "rule"))
    )
    if config.workspaces or config.discover:
        yield ok("configuration", f"{config.config_file}: {count}")
    else:
        yield warning(
            "configuration",
            f"{config.config_file} names no workspace",
            "Add one, or a rule under `discover:`",
        )
    for text in config.warnings:
        yield warning("configuration", text, "Correct it, or unset it")


def _said(error: ConfigError) -> tuple[str, str]:
    """Part the message of many problems into one line and what to do."""
    lines = [line.removeprefix("  - ") for line in str(error).splitlines()]
    return "; ".join(lines[1:] or lines), "Correct it, then run this again to check the other parts"


def _line(finding: Finding) -> str:
    mark = click.style(_MARKS[finding.state], fg=_COLOURS[finding.state], bold=True)
    found = " ".join(finding.found.split())
    return f"{mark} {finding.name}: {found}" + (f" → {finding.advice}" if finding.advice else "")
