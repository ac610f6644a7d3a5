"""`plangate doctor`: checks every part, and says how to fix what does not work."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
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
_CORRECT = "Correct it, then run this again to check the other parts"
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
        for line in lines(findings):
            click.echo(line)
    if any(finding.state is State.FAILED for finding in findings):
        sys.exit(1)


def look(read: Callable[[], Config], builds: Callable[[Config], Services] = build) -> list[Finding]:
    """Look at every part, the configuration that is read first."""
    try:
        config = read()
        services = builds(config)
    except ConfigError as error:
        return [failed("configuration", problem, _CORRECT) for problem in _problems(error)]
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


def _problems(error: ConfigError) -> list[str]:
    """Part the message into its problems, each with its setting or its line of plangate.yml."""
    first, *rest = str(error).splitlines()
    return [line.removeprefix("  - ") for line in rest] or [first]


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """List what is in order, then the problems one by one with how to fix each, then how many there are."""
    problems = [one for one in findings if one.state is not State.OK]
    for finding in findings:
        if finding.state is State.OK:
            yield f"{_mark(finding)} {finding.name}: {_one_line(finding.found)}" + (
                f" → {finding.advice}" if finding.advice else ""
            )
    # What must be fixed comes before what should be.
    for number, finding in enumerate(sorted(problems, key=lambda one: one.state is not State.FAILED), 1):
        yield f"\n{number}. {_mark(finding)} {finding.name}: {_one_line(finding.found)}"
        if finding.advice:
            yield f"   To fix it: {finding.advice}"
    yield f"\n{_summary(findings)}"


def _summary(findings: Sequence[Finding]) -> str:
    count = {state: sum(one.state is state for one in findings) for state in State}
    fine = f"{count[State.OK]} part{'s are' if count[State.OK] != 1 else ' is'} in order"
    broken, remarks = count[State.FAILED], count[State.WARNING]
    found = [
        *([f"{broken} do{'es' if broken == 1 else ''} not work"] if broken else []),
        *([f"{remarks} need{'s' if remarks == 1 else ''} attention"] if remarks else []),
    ]
    return ", ".join([fine, *found])


def _mark(finding: Finding) -> str:
    return click.style(_MARKS[finding.state], fg=_COLOURS[finding.state], bold=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())
