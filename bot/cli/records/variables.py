"""`plangate variables`: list, set and unset variables of workspaces and sets, and create sets.

Values can be given without the command line, where other programs could read them; a sensitive
one is never printed (promise 6).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from bot.cli.records.output import as_json_option, echo_json, variable_line, word
from bot.cli.records.records import VariablePlace, VariableWish
from bot.cli.records.source import records, records_here
from bot.cli.suggestions import SuggestingGroup
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import VALUE_BYTES, Category, one_line

_SET = click.option("--set", "set_name", metavar="NAME", help="Use this variable set instead of a workspace.")
_PHASE = click.option(
    "--phase",
    type=click.Choice([phase.value for phase in Phase]),
    default=Phase.BOTH.value,
    show_default=True,
    help="Which part of a run has it; plan and apply need --env.",
)
_ENV = click.option("--env", is_flag=True, help="The environment variable, not the Terraform variable.")


@click.group(cls=SuggestingGroup)
def variables() -> None:
    """Variables of workspaces, and sets of them."""


@variables.command("list")
@click.argument("workspace", required=False)
@_SET
@as_json_option
def list_(workspace: str | None, set_name: str | None, *, as_json: bool) -> None:
    """List the variables of a workspace with their origins, or the variables of a set."""
    owner = _owner(() if workspace is None else (workspace,), set_name)
    with records() as them:
        found = them.variables(owner)
    if as_json:
        return echo_json(found)
    for one in found:
        click.echo(variable_line(one))
    if not found:
        click.echo(f"no variables reach {owner}" if workspace else f"{owner} is empty")


@variables.command("set")
@click.argument("names", metavar="[WORKSPACE] KEY", nargs=-1, required=True)
@click.option("--value", help="The value. Not for secrets: other users of this machine can see it.")
@click.option("--stdin", is_flag=True, help="Read the value from standard input.")
@click.option("--value-file", type=click.Path(path_type=Path), help="Read the value from a file.")
@_ENV
@click.option("--hcl/--no-hcl", default=None, help="Whether the value is an HCL expression.")
@click.option("--sensitive", is_flag=True, help="Never show it again, and mask it in all output.")
@click.option("--description", help="What it is for.")
@_PHASE
@_SET
@as_json_option
def set_(
    names: tuple[str, ...],
    value: str | None,
    value_file: Path | None,
    hcl: bool | None,
    description: str | None,
    phase: str,
    set_name: str | None,
    *,
    stdin: bool,
    env: bool,
    sensitive: bool,
    as_json: bool,
) -> None:
    """Set a variable of a workspace, or of a set with --set. Without a value, you are asked for it.

    Later runs get it. Existing runs keep the values that they were created with.
    """
    *where, key = names
    owner = _owner(where, set_name)
    if sum((value is not None, stdin, value_file is not None)) > 1:
        raise click.UsageError("--value, --stdin and --value-file exclude each other")
    if stdin:
        value = one_line(_decoded(sys.stdin.buffer.read(VALUE_BYTES + 2), "standard input"))
    elif value_file is not None:
        value = one_line(_decoded(_read(value_file), str(value_file)))
    elif value is None:
        value = click.prompt(f"Value of {key}", hide_input=True, default="", show_default=False, err=True)
    wish = VariableWish(key, _category(env), value, hcl, sensitive, description, phase)
    with records() as them:
        done = them.set_variable(owner, wish)
    if as_json:
        echo_json(done)
    else:
        click.echo(f"set {word(done['category'])} variable {key} of {owner}; new runs get it")


@variables.command()
@click.argument("names", metavar="[WORKSPACE] KEY", nargs=-1, required=True)
@_ENV
@_PHASE
@_SET
@as_json_option
def unset(names: tuple[str, ...], phase: str, set_name: str | None, *, env: bool, as_json: bool) -> None:
    """Remove a variable of a workspace, or with --set of a set."""
    *where, key = names
    owner = _owner(where, set_name)
    with records() as them:
        them.unset_variable(owner, _category(env), key, phase)
    if as_json:
        echo_json({"unset": key, "category": _category(env)})
    else:
        click.echo(f"unset {_category(env)} variable {key} of {owner}")


@variables.group()
def sets() -> None:
    """Sets of variables, for many workspaces at once."""


@sets.command("list")
@as_json_option
def list_sets(*, as_json: bool) -> None:
    """Show every set and which workspaces it reaches."""
    found = records_here().sets()
    if as_json:
        return echo_json(found)
    for one in found:
        count = len(one["variables"])
        scope = "every workspace" if one["global"] else ", ".join(one["workspaces"]) or "no workspace"
        click.echo(f"{one['name']}  {scope}  {count} variable{'s' * (count != 1)}  ({one['made_by']})")
    if not found:
        click.echo("there are no sets")


@sets.command()
@click.argument("name")
@click.argument("workspaces", nargs=-1)
@click.option("--global", "everywhere", is_flag=True, help="For every workspace.")
@click.option("--description", default="", help="What it is for.")
@as_json_option
def put(name: str, workspaces: tuple[str, ...], description: str, *, everywhere: bool, as_json: bool) -> None:
    """Create a set for WORKSPACES (names or patterns), or change the workspaces of a set."""
    done, scope = records_here().put_set(name, workspaces, description, everywhere=everywhere)
    if as_json:
        echo_json(done)
    else:
        click.echo(f"the set {name} reaches {scope}")


@sets.command()
@click.argument("name")
@as_json_option
def remove(name: str, *, as_json: bool) -> None:
    """Remove a set and the variables in it."""
    records_here().remove_set(name)
    if as_json:
        echo_json({"removed": name})
    else:
        click.echo(f"removed the set {name}")


def _owner(where: Sequence[str], set_name: str | None) -> VariablePlace:
    if set_name is not None and not where:
        return VariablePlace(set_name=set_name)
    if set_name is None and len(where) == 1:
        return VariablePlace(workspace=where[0])
    raise click.UsageError("name one workspace, or a set with --set NAME, and then the key")


def _category(env: bool) -> str:
    return (Category.ENV if env else Category.TERRAFORM).value


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(VALUE_BYTES + 2)
    except OSError as error:
        raise click.UsageError(f"can't read {path}: {error.strerror}") from error


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        # Not chained: the cause carries the value (promise 6).
        raise click.UsageError(f"{where} is not UTF-8 text") from None
