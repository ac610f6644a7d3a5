"""`plangate variables`: list, set and unset variables of workspaces and sets, and make sets.

No value needs to stand on the command line, where other programs of the machine could read it; a sensitive
one is never printed (promise 6).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bot.cli.loading import configuration, ready
from bot.cli.operator import operator
from bot.config.variables import one_line
from bot.domain.variables import VALUE_BYTES, Category
from bot.services.variables import Listed, ListedSet, OfSet, OfWorkspace, Owner, VariableDesk, Wish

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_SET = click.option("--set", "set_name", metavar="NAME", help="In this set instead of in a workspace.")
_ENV = click.option("--env", is_flag=True, help="The environment variable, not the Terraform variable.")


@click.group()
def variables() -> None:
    """Variables of workspaces, and sets of them."""


@variables.command("list")
@click.argument("workspace", required=False)
@_SET
@_JSON
def list_(workspace: str | None, set_name: str | None, *, as_json: bool) -> None:
    """Show what reaches a workspace and where it comes from, or what is in a set."""
    owner = _owner(() if workspace is None else (workspace,), set_name)
    desk = _desk()
    if isinstance(owner, OfSet):
        found = desk.set_named(owner.name, operator()).variables
    else:
        found = desk.of_workspace(owner.name, operator())
    if as_json:
        _print([_document(one) for one in found])
        return
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo(f"no variables reach {owner}" if workspace else f"{owner} is empty")


@variables.command("set")
@click.argument("names", metavar="[WORKSPACE] KEY", nargs=-1, required=True)
@click.option("--value", help="The value. Not for secrets: others on this machine can see it.")
@click.option("--stdin", is_flag=True, help="Read the value from standard input.")
@click.option("--value-file", type=click.Path(path_type=Path), help="Read the value from a file.")
@_ENV
@click.option("--hcl/--no-hcl", default=None, help="Whether the value is an HCL expression.")
@click.option("--sensitive", is_flag=True, help="Never show it again, and mask it in all output.")
@click.option("--description", help="What it is for.")
@_SET
@_JSON
def set_(
    names: tuple[str, ...],
    value: str | None,
    value_file: Path | None,
    hcl: bool | None,
    description: str | None,
    set_name: str | None,
    *,
    stdin: bool,
    env: bool,
    sensitive: bool,
    as_json: bool,
) -> None:
    """Set a variable of a workspace, or with --set of a set; without a value it is asked for.

    Later runs get it; those that are there keep the values that they were made with.
    """
    *where, key = names
    owner = _owner(where, set_name)
    if sum((value is not None, stdin, value_file is not None)) > 1:
        raise click.UsageError("--value, --stdin and --value-file exclude each other")
    desk = _desk()
    if stdin:
        value = one_line(_decoded(sys.stdin.buffer.read(VALUE_BYTES + 2), "standard input"))
    elif value_file is not None:
        value = one_line(_decoded(_read(value_file), str(value_file)))
    elif value is None:
        value = click.prompt(f"Value of {key}", hide_input=True, default="", show_default=False, err=True)
    wish = Wish(key, _category(env), value, hcl, sensitive, description)
    done = desk.put(owner, wish, operator())
    if as_json:
        _print(_document(done))
    else:
        click.echo(f"set {done.category.value} variable {key} of {owner}; runs from now on get it")


@variables.command()
@click.argument("names", metavar="[WORKSPACE] KEY", nargs=-1, required=True)
@_ENV
@_SET
@_JSON
def unset(names: tuple[str, ...], set_name: str | None, *, env: bool, as_json: bool) -> None:
    """Remove a variable of a workspace, or with --set of a set."""
    *where, key = names
    owner = _owner(where, set_name)
    _desk().unset(owner, _category(env), key, operator())
    if as_json:
        _print({"unset": key, "category": _category(env).value})
    else:
        click.echo(f"unset {_category(env).value} variable {key} of {owner}")


@variables.group()
def sets() -> None:
    """Sets of variables, for many workspaces at once."""


@sets.command("list")
@_JSON
def list_sets(*, as_json: bool) -> None:
    """Show every set and which workspaces it reaches."""
    found = _desk().sets(operator())
    if as_json:
        _print([_set_document(one) for one in found])
        return
    for one in found:
        count = len(one.variables)
        click.echo(f"{one.name}  {_reaches(one)}  {count} variable{'s' * (count != 1)}  ({one.made_by})")
    if not found:
        click.echo("there are no sets")


@sets.command()
@click.argument("name")
@click.argument("workspaces", nargs=-1)
@click.option("--global", "everywhere", is_flag=True, help="For every workspace.")
@click.option("--description", default="", help="What it is for.")
@_JSON
def put(name: str, workspaces: tuple[str, ...], description: str, *, everywhere: bool, as_json: bool) -> None:
    """Make a set for the WORKSPACES named, or patterns of names; or say anew what it reaches."""
    done = _desk().put_set(
        name, operator(), everywhere=everywhere, workspaces=workspaces, description=description
    )
    if as_json:
        _print(_set_document(done))
    else:
        click.echo(f"the set {name} reaches {_reaches(done)}")


@sets.command()
@click.argument("name")
@_JSON
def remove(name: str, *, as_json: bool) -> None:
    """Remove a set and the variables in it."""
    _desk().remove_set(name, operator())
    if as_json:
        _print({"removed": name})
    else:
        click.echo(f"removed the set {name}")


def _desk() -> VariableDesk:
    services, _ = ready(configuration())
    return services.variables


def _owner(where: Sequence[str], set_name: str | None) -> Owner:
    if set_name is not None and not where:
        return OfSet(set_name)
    if set_name is None and len(where) == 1:
        return OfWorkspace(where[0])
    raise click.UsageError("name one workspace, or a set with --set NAME, and then the key")


def _category(env: bool) -> Category:
    return Category.ENV if env else Category.TERRAFORM


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


def _line(one: Listed) -> str:
    value = "(sensitive, write only)" if one.value is None else one.value
    first, *more = value.splitlines() or [""]
    shown = first[:80] + ("…" if more or len(first) > 80 else "")
    kind = "env" if one.category is Category.ENV else "hcl" if one.hcl else "terraform"
    hidden = f", hidden by {one.hidden_by}" if one.hidden_by else ""
    return f"{one.key} = {shown}  [{kind}, from {one.source}, set by {one.set_by}{hidden}]"


def _reaches(one: ListedSet) -> str:
    return "every workspace" if one.everywhere else ", ".join(one.workspaces) or "no workspace"


def _document(one: Listed) -> dict[str, Any]:
    return {
        "key": one.key,
        "value": one.value,
        "category": one.category.value,
        "hcl": one.hcl,
        "sensitive": one.sensitive,
        "description": one.description,
        "from_set": one.set_name,
        "set_by": one.set_by,
        "at": one.at.isoformat(),
        "hidden_by": one.hidden_by or None,
    }


def _set_document(one: ListedSet) -> dict[str, Any]:
    return {
        "name": one.name,
        "global": one.everywhere,
        "workspaces": list(one.workspaces),
        "description": one.description,
        "made_by": one.made_by,
        "variables": [_document(each) for each in one.variables],
    }


def _print(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
