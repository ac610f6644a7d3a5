"""`plangate setup`: writes the files of a new installation, and checks it."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

import bot
from bot import vault
from bot.cli.doctor import lines, look
from bot.config.settings import web_address
from bot.domain.errors import PlangateError
from bot.wiring import configured

_REPO = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+")
_PRIVATE, _PUBLIC = 0o600, 0o644


@dataclass(frozen=True)
class SetupAnswers:
    """What a new installation needs to know."""

    url: str
    repo: str
    directory: str
    forge: str
    owners: str
    database_url: str
    redis_url: str
    compose: bool


@dataclass(frozen=True)
class NewFile:
    """A file to write, with its permissions."""

    text: str
    mode: int = _PRIVATE


def files_of(answers: SetupAnswers, folder: Path) -> Mapping[str, NewFile]:
    """Return the files of an installation, by their names in the folder. Each call makes new keys."""
    name = (answers.directory.strip("./") or answers.repo.rpartition("/")[2]).replace("/", "-")
    forge = "" if answers.forge == "github" else f"forges:\n  {answers.forge}: {{kind: {answers.forge}}}\n\n"
    workspace = {"name": name, "repo": answers.repo, "working_directory": answers.directory}
    # JSON is YAML: whatever a name has in it is quoted.
    entry = "".join(
        f"{'  - ' if key == 'name' else '    '}{key}: {json.dumps(value)}\n"
        for key, value in workspace.items()
    )
    settings = {"PLANGATE_URL": answers.url, "PLANGATE_OWNERS": answers.owners}
    settings[f"PLANGATE_{answers.forge.upper()}_WEBHOOK_SECRET"] = secrets.token_hex(32)
    settings["PLANGATE_METRICS_TOKEN"] = secrets.token_hex(32)
    files = {"plangate.yml": NewFile(f"{forge}workspaces:\n{entry}", _PUBLIC)}
    if answers.compose:
        return files | _for_compose(settings)
    settings |= {
        "PLANGATE_CONFIG": str(folder / "plangate.yml"),
        "PLANGATE_DATA": "/var/lib/plangate",
        "PLANGATE_SECRET_KEY_FILE": str(folder / "secret-key"),
        "DATABASE_URL": answers.database_url,
        "REDIS_URL": answers.redis_url,
    }
    units = {f"systemd/{path.name}": _unit(path, folder) for path in sorted(_deploy("systemd").iterdir())}
    key = {"secret-key": NewFile(vault.generate_key() + "\n")}
    return files | {"plangate.env": NewFile(_lines(settings, answers.forge))} | key | units


def _for_compose(settings: Mapping[str, str]) -> dict[str, NewFile]:
    database, redis = secrets.token_hex(24), secrets.token_hex(24)
    words = {
        "secret_key": vault.generate_key(),
        "database_url": f"postgresql://plangate:{database}@postgres/plangate",
        "postgres_password": database,
        "redis_url": f"redis://:{redis}@valkey:6379/0",
        "redis_password": redis,
    }
    return {
        "compose.yml": NewFile(_deploy("compose.yml").read_text(encoding="utf-8"), _PUBLIC),
        "plangate.env": NewFile(_lines(settings, "")),
        **{f"secrets/{name}": NewFile(word) for name, word in words.items()},
    }


def _lines(settings: Mapping[str, str], forge: str) -> str:
    known = "".join(f"{name}={value}\n" for name, value in settings.items() if value)
    token = f"PLANGATE_{(forge or 'github').upper()}_TOKEN"
    return f"{known}# The forge's token, or the settings that `plangate github-app` wrote:\n# {token}=\n"


def _unit(path: Path, folder: Path) -> NewFile:
    text = path.read_text(encoding="utf-8").replace(
        "/etc/plangate/plangate.env", str(folder / "plangate.env")
    )
    return NewFile(text, _PUBLIC)


def _deploy(name: str) -> Path:
    """Return a file for deploying: inside the package in a wheel, beside it in the tree."""
    package = Path(bot.__file__).parent
    inside = package / "deploy" / name
    beside = package.parent / (name if name == "compose.yml" else f"deploy/{name}")
    return inside if inside.exists() else beside


def write(files: Mapping[str, NewFile], folder: Path) -> None:
    """Write the files, all of them or none. Raises PlangateError if one of them is there already."""
    if there := [name for name in files if (folder / name).exists()]:
        raise PlangateError(
            f"{folder} has these files already: {', '.join(there)}. Choose another folder, or move them"
        )
    written: list[Path] = []
    try:
        for name, file in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode), "w") as out:
                written.append(path)
                out.write(file.text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise PlangateError(f"can't write into {folder}: {error.strerror}") from error


def environment_of(files: Mapping[str, NewFile]) -> dict[str, str]:
    """Return the settings of the environment file, as systemd reads it."""
    pairs = (
        line.partition("=") for line in files["plangate.env"].text.splitlines() if not line.startswith("#")
    )
    return {name: value for name, _, value in pairs}


def _an_address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return web_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _a_repository(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not _REPO.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a repository: write it as owner/name")
    return value


def _one_line(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.isprintable():
        raise click.BadParameter("it must be one line of printable characters")
    return value


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="/etc/plangate",
    show_default=True,
    help="Where to write.",
)
@click.option(
    "--url",
    prompt="Address that people open",
    callback=_an_address,
    help="Such as https://plangate.example.com.",
)
@click.option(
    "--repo",
    prompt="First repository (owner/name)",
    callback=_a_repository,
    help="Repository of the first workspace.",
)
@click.option(
    "--directory",
    prompt="Directory with the configuration",
    default=".",
    callback=_one_line,
    help="Directory of the first workspace.",
)
@click.option(
    "--forge",
    prompt="Forge",
    type=click.Choice(["github", "gitlab"]),
    default="github",
    help="Kind of the forge.",
)
@click.option(
    "--owners",
    prompt="Logins of the owners, with commas",
    callback=_one_line,
    help="People who may do everything.",
)
@click.option("--database-url", default="", callback=_one_line, help="postgresql://... Without it: SQLite.")
@click.option(
    "--redis-url",
    default="redis://localhost:6379/0",
    show_default=True,
    callback=_one_line,
    help="Your Redis or Valkey.",
)
@click.option("--compose", is_flag=True, help="Everything in containers, with a database and a Valkey.")
@click.option(
    "--check/--no-check", default=True, help="Whether to check the result as `plangate doctor` does."
)
def setup(folder: Path, check: bool, **answers: str) -> None:
    """Write plangate.yml, the settings with new keys, and units or a compose file.

    Never overwrites a file. Asks for what no option says.
    """
    given = SetupAnswers(**{**answers, "compose": bool(answers["compose"])})  # type: ignore[arg-type]  # click checked them
    folder = folder.absolute()
    files = files_of(given, folder)
    write(files, folder)
    for name in files:
        click.echo(f"wrote {folder / name}")
    click.echo(
        f"\nNext: put the forge's token or App into {folder / 'plangate.env'}. Keep the secret key safe, "
        "apart from backups."
    )
    if check and not given.compose:
        click.echo("")
        for line in lines(look(lambda: configured(environment_of(files)))):
            click.echo(line)
