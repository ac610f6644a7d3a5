"""The reference is true: settings, commands, statuses, the diagram, options, permissions."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

from bot.cli import COMMANDS, cli
from bot.config import table
from bot.config.file.manifest import DiscoverEntry, Manifest, WorkspaceEntry, forge_form
from bot.domain.commands.grammar import Verb
from bot.domain.people.permissions import NEEDS, Action, Role
from bot.domain.runs.lifecycle import FINAL, TRANSITIONS, RunStatus
from bot.forges.github.app_manifest import EVENTS, PERMISSIONS
from bot.forges.kinds import KINDS
from bot.vault import generate_key
from bot.wiring import configured
from tests.support.docs import PAGES, ROOT, blocks, name_of, page, section

# --- settings -----------------------------------------------------------------------------------------------


def test_the_table_of_settings_is_the_settings() -> None:
    rows = [
        f"| `{s.name}`{' 🔑' if s.secret else ''} | {f'`{s.default}`' if s.default else ''} | "
        f"{s.meaning.replace('|', chr(92) + '|')} |"
        for s in table(KINDS)
    ]
    shown = [line for line in page("reference/settings").splitlines() if line.startswith("| `")]
    assert shown == rows


# --- commands -----------------------------------------------------------------------------------------------


def commands(group: click.Group, name: str = "plangate") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def test_every_command_of_the_command_line_is_described_and_no_other() -> None:
    described = re.findall(r"^\| `(plangate [a-z -]*[a-z])", page("reference/command-line"), re.MULTILINE)
    assert sorted(described) == sorted(name for name, _ in commands(cli))


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    context = click.Context(cli)
    own = {
        name: found.get_short_help_str(200) for name in COMMANDS if (found := cli.get_command(context, name))
    }
    assert own == {name: entry.about for name, entry in COMMANDS.items()}
    listed = CliRunner().invoke(cli, ["--help"]).output
    assert all(re.search(rf"^  {name} +\S", listed, re.MULTILINE) for name in COMMANDS)


def test_the_list_of_commands_is_printed_without_any_of_them() -> None:
    code = "import sys; from bot.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"sqlalchemy", "flask", "rq", "githubkit", "httpx", "bot.services", "bot.wiring"} & set(loaded)


def test_every_option_of_the_command_line_is_described() -> None:
    rows = {
        row.split("`")[1]: row
        for row in page("reference/command-line").splitlines()
        if row.startswith("| `plangate")
    }
    for name, command in commands(cli):
        row = next(row for title, row in rows.items() if title.startswith(name))
        for option in (p for p in command.params if isinstance(p, click.Option)):
            assert option.opts[0] in row, f"{name} has {option.opts[0]}"


def test_every_command_of_comments_is_described_and_no_other() -> None:
    described = re.findall(r"^\| `/(\w+)", page("reference/comments"), re.MULTILINE)
    assert sorted(described) == sorted(verb.value for verb in Verb)


@pytest.mark.parametrize(("verb", "action"), [(Verb.PLAN, Action.PLAN), (Verb.APPLY, Action.CONFIRM)])
def test_the_table_says_which_role_a_command_needs(verb: Verb, action: Action) -> None:
    role = {Role.PLAN: "triage", Role.WRITE: "write"}[NEEDS[action]]
    assert re.search(
        rf"^\| `/{verb.value} \[workspace \.\.\.\]` \| {role}\b", page("reference/comments"), re.MULTILINE
    )


# --- the lifecycle ------------------------------------------------------------------------------------------


def test_the_diagram_has_exactly_the_edges_of_the_lifecycle() -> None:
    (diagram,) = blocks(page("explanation/how-a-run-goes"), "mermaid")
    assert diagram.startswith("stateDiagram-v2\n")
    drawn = re.findall(r"^ +(\S+) --> (\S+)$", diagram, re.MULTILINE)
    edges = [(start.value, end.value) for start, ends in TRANSITIONS.items() for end in ends]
    ends = [("[*]", RunStatus.PENDING.value), *((status.value, "[*]") for status in FINAL)]
    assert sorted(drawn) == sorted([*edges, *ends])


def test_every_status_is_explained_in_the_order_of_the_lifecycle() -> None:
    explained = re.findall(
        r"^\| `([a-z_]+)` \|", section("reference/statuses", "Statuses of a run"), re.MULTILINE
    )
    assert explained == [status.value for status in RunStatus]


# --- plangate.yml -------------------------------------------------------------------------------------------


def environment(config_file: Path) -> dict[str, str]:
    text = config_file.read_text()
    variables = re.findall(r"\b[A-Z][A-Z_]+\b(?=\n|$)", text)
    hooks = (yaml.safe_load(text).get("hooks") or {}).values()
    return {
        "PLANGATE_CONFIG": str(config_file),
        "PLANGATE_URL": "https://plangate.example.com",
        "PLANGATE_SECRET_KEY": generate_key(),
        "PLANGATE_GITHUB_TOKEN": "ghp_x",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "secret",
        "PLANGATE_GITLAB_TOKEN": "glpat-x",
        "PLANGATE_GITLAB_WEBHOOK_SECRET": "secret",
        **{name: f"the value of {name}" for name in variables if not name.endswith(("_ID", "_KEY"))},
        **{name: f"https://{name.lower()}.example.com" for name in re.findall(r"\burl_env: (\w+)", text)},
        **dict.fromkeys(re.findall(r"\bkey_env: (\w+)", text), "the key that signs"),
        **{name: "the hook's" for hook in hooks for name in hook.get("environment", ())},
        "PLANGATE_SMTP": "smtps://mail.example.com",
        "PLANGATE_SMTP_FROM": "plangate@example.com",
    }


def manifests() -> list[tuple[str, str]]:
    """Each plangate.yml that a page shows whole, with the page's name."""
    shown = [(name_of(path), block) for path in PAGES for block in blocks(path.read_text(), "yaml")]
    return [
        (name, block) for name, block in shown if re.search(r"^(workspaces|discover):", block, re.MULTILINE)
    ]


def fragments() -> list[tuple[str, str]]:
    """Each part of a plangate.yml that a page shows, with the page's name; other files are left out."""
    shown = [
        (name_of(path), textwrap.dedent(block))
        for path in PAGES
        for block in re.findall(r"^ *```ya?ml\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL)
    ]
    return [(name, block) for name, block in shown if set(yaml.safe_load(block)) <= _PARTS]


_PARTS = {*Manifest.model_fields, "identity"}


@pytest.mark.parametrize(("name", "text"), fragments())
def test_a_part_of_plangate_yml_that_a_page_shows_loads(name: str, text: str, tmp_path: Path) -> None:
    part = yaml.safe_load(text)
    if "identity" in part:
        part = {"defaults": part}
    path = tmp_path / "plangate.yml"
    path.write_text(yaml.safe_dump({"workspaces": [{"name": "lab", "repo": "acme/lab"}], **part}))
    settings = environment(path)
    for forge in part.get("forges", ()):
        settings |= {f"PLANGATE_{forge.upper()}_{role}": "secret" for role in ("TOKEN", "WEBHOOK_SECRET")}
    assert configured(settings).config_file == path, name


def test_most_blocks_of_yaml_are_parts_of_plangate_yml() -> None:
    whole = {name for name, _ in fragments()}
    assert {"docs/how-to/github-app.md", "docs/how-to/identity.md", "docs/how-to/policies.md"} <= whole


@pytest.mark.parametrize("path", sorted((ROOT / "examples").iterdir()), ids=lambda path: path.name)
def test_every_example_is_read_as_its_reader_reads_it(path: Path) -> None:
    if path.name == "plangate.yml":
        secrets = re.findall(r"_env: ([A-Z_]+)", path.read_text())
        apart = ("_APP_", "_URL", "SIGNING_KEY")
        settings = environment(path) | {
            name: "secret" for name in secrets if not any(part in name for part in apart)
        }
        assert configured(settings).workspaces
    elif path.is_dir():
        done = CliRunner().invoke(cli, ["policy", "test", str(path)])
        assert (done.exit_code, " 0 failed" in done.output) == (0, True), done.output
    else:
        assert [ip_network(each) for each in yaml.safe_load(path.read_text())], path


def test_the_pages_show_files_that_load(tmp_path: Path) -> None:
    shown = manifests()
    assert "docs/reference/plangate-yml.md" in dict(shown)
    for number, (name, text) in enumerate(shown):
        path = tmp_path / f"{number}.yml"
        path.write_text(text)
        config = configured(environment(path))
        assert config.workspaces or config.discover, name


def options() -> list[str]:
    forms: tuple[type[BaseModel], ...] = (Manifest, forge_form(KINDS), WorkspaceEntry, DiscoverEntry)
    return list(dict.fromkeys(name for form in forms for name in form.model_fields))


@pytest.mark.parametrize("option", options())
def test_every_option_of_plangate_yml_is_described(option: str) -> None:
    assert re.search(rf"^\| `{option}` \|", page("reference/plangate-yml"), re.MULTILINE)


@pytest.mark.parametrize("option", options())
def test_the_example_shows_every_option(option: str) -> None:
    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        if isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    assert option in set(keys(yaml.safe_load((ROOT / "examples/plangate.yml").read_text())))


# --- the GitHub App -----------------------------------------------------------------------------------------


def test_the_steps_by_hand_name_every_permission_and_event() -> None:
    text = page("how-to/github-app")
    titles = {"statuses": "Commit statuses"}
    for name, access in PERMISSIONS.items():
        title = titles.get(name, name.replace("_", " ").capitalize())
        assert re.search(rf"^\| {title} \| {access} \|", text, re.MULTILINE), title
    for event in EVENTS:
        assert f"**{event.replace('_', ' ').capitalize()}**" in text
