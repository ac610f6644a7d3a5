"""The documentation is true: settings, commands, statuses, diagram, sample thread, options, links, map."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel

import bot
from bot.cli import COMMANDS, cli
from bot.config import table
from bot.config.file.manifest import DiscoverEntry, Manifest, WorkspaceEntry, forge_form
from bot.domain.commands.grammar import Verb
from bot.domain.events import RepoRef
from bot.domain.people.permissions import NEEDS, Action, Role
from bot.domain.plan_diff import render
from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.reports import headlines
from bot.domain.reports.report import ApplyReport, ChangeReport, WorkspaceSection
from bot.domain.runs.lifecycle import FINAL, TRANSITIONS, RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.forges.github.app_manifest import EVENTS, PERMISSIONS
from bot.forges.kinds import KINDS
from bot.rendering import Rendering
from bot.vault import generate_key
from bot.wiring import configured

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]


def section(title: str) -> str:
    """A section of the README, with its subsections."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no section {title!r}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


# --- settings -----------------------------------------------------------------------------------------------


def test_the_table_of_settings_is_the_settings() -> None:
    rows = [
        f"| `{s.name}`{' 🔑' if s.secret else ''} | {f'`{s.default}`' if s.default else ''} | "
        f"{s.meaning.replace('|', chr(92) + '|')} |"
        for s in table(KINDS)
    ]
    shown = [line for line in section("Settings").splitlines() if line.startswith("| `")]
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
    described = re.findall(r"^\| `(plangate [a-z -]*[a-z])", section("Commands"), re.MULTILINE)
    assert sorted(described) == sorted(name for name, _ in commands(cli))


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    context = click.Context(cli)
    own = {
        name: found.get_short_help_str(200) for name in COMMANDS if (found := cli.get_command(context, name))
    }
    assert own == {name: about for name, (_, about) in COMMANDS.items()}
    listed = CliRunner().invoke(cli, ["--help"]).output
    assert all(re.search(rf"^  {name} +\S", listed, re.MULTILINE) for name in COMMANDS)


def test_the_list_of_commands_is_printed_without_any_of_them() -> None:
    code = "import sys; from bot.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"sqlalchemy", "flask", "rq", "githubkit", "bot.wiring"} & set(loaded)


def test_every_option_of_the_command_line_is_described() -> None:
    rows = {
        row.split("`")[1]: row for row in section("Commands").splitlines() if row.startswith("| `plangate")
    }
    for name, command in commands(cli):
        row = next(row for title, row in rows.items() if title.startswith(name))
        for option in (p for p in command.params if isinstance(p, click.Option)):
            assert option.opts[0] in row, f"{name} has {option.opts[0]}"


def test_every_command_of_comments_is_described_and_no_other() -> None:
    described = re.findall(r"^\| `/(\w+)", section("Commands"), re.MULTILINE)
    assert sorted(described) == sorted(verb.value for verb in Verb)


@pytest.mark.parametrize(("verb", "action"), [(Verb.PLAN, Action.PLAN), (Verb.APPLY, Action.CONFIRM)])
def test_the_table_says_which_role_a_command_needs(verb: Verb, action: Action) -> None:
    role = {Role.PLAN: "triage", Role.WRITE: "write"}[NEEDS[action]]
    assert re.search(
        rf"^\| `/{verb.value} \[workspace \.\.\.\]` \| {role}\b", section("Commands"), re.MULTILINE
    )


# --- the lifecycle ------------------------------------------------------------------------------------------


def test_the_diagram_has_exactly_the_edges_of_the_lifecycle() -> None:
    (diagram,) = blocks(README, "mermaid")
    assert diagram.startswith("stateDiagram-v2\n")
    drawn = re.findall(r"^ +(\S+) --> (\S+)$", diagram, re.MULTILINE)
    edges = [(start.value, end.value) for start, ends in TRANSITIONS.items() for end in ends]
    ends = [("[*]", RunStatus.PENDING.value), *((status.value, "[*]") for status in FINAL)]
    assert sorted(drawn) == sorted([*edges, *ends])


def test_every_status_is_explained_in_the_order_of_the_lifecycle() -> None:
    explained = re.findall(r"^\| `([a-z_]+)` \|", section("How a run goes"), re.MULTILINE)
    assert explained == [status.value for status in RunStatus]


# --- the sample thread --------------------------------------------------------------------------------------

AT = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
TEXTS = Rendering("https://plangate.example.com")


def sample_change(kind: str, name: str, action: str, before: object, after: object) -> dict[str, object]:
    return {
        "address": f"{kind}.{name}",
        "mode": "managed",
        "type": kind,
        "name": name,
        "change": {"actions": [action], "before": before, "after": after},
    }


SUBNET = {"availability_zone": "eu-central-1b", "cidr_block": "10.20.1.0/24", "vpc_id": "vpc-0a1b2c"}
VPC = {"enable_dns_hostnames": False, "id": "vpc-0a1b2c"}
PLAN = render(
    {
        "format_version": "1.2",
        "resource_changes": [
            sample_change("aws_subnet", "b", "create", None, SUBNET),
            sample_change("aws_vpc", "main", "update", VPC, {**VPC, "enable_dns_hostnames": True}),
        ],
    }
).diff()
APPLY = """
aws_vpc.main: Modifying... [id=vpc-0a1b2c]
aws_vpc.main: Modifications complete after 2s [id=vpc-0a1b2c]
aws_subnet.b: Creating...
aws_subnet.b: Creation complete after 1s [id=subnet-3d4e5f]

Apply complete! Resources: 1 added, 1 changed, 0 destroyed.
"""


def sample_section(name: str, counts: Counts, plan: str, *resources: ResourceChange) -> WorkspaceSection:
    run = Run(
        id=f"run-{name}",
        workspace_id=f"ws-{name}",
        status=RunStatus.PLANNED_AND_FINISHED,
        source=RunSource.CHANGE,
        plan_only=True,
        commit="1b77cbb5" * 5,
        branch="two-zones",
        message="A second zone",
        created_by="ana",
        created_at=AT,
        status_at=AT,
        has_changes=bool(counts),
        counts=counts,
    )
    return WorkspaceSection(
        workspace=Workspace(f"ws-{name}", name, RepoRef("github", "acme/infra")),
        run=run,
        headline=headlines.state_words(run),
        next_step=f"/apply {name} 3f9a2c1" if counts else "",
        code="3f9a2c1" if counts else "",
        run_url=f"https://plangate.example.com/runs/{run.id}",
        resources=resources,
        counts=counts,
        plan_text=plan,
    )


def sample_plan() -> str:
    created, updated = (
        ResourceChange("aws_subnet.b", ("create",)),
        ResourceChange("aws_vpc.main", ("update",)),
    )
    parts = (
        sample_section("app-prod", Counts(), ""),
        sample_section("network-prod", Counts(1, 1, 0), PLAN, created, updated),
    )
    return TEXTS.change_comment(ChangeReport(parts[0].run.commit, parts), 65_536).text


def sample_outcome() -> str:
    planned = sample_section("network-prod", Counts(1, 1, 0), PLAN)
    run = Run(
        **{
            **vars(planned.run),
            "status": RunStatus.APPLIED,
            "plan_only": False,
            "source": RunSource.COMMENT,
            "confirmed_by": "ben",
        }
    )
    return TEXTS.applies_comment([ApplyReport(planned.workspace, run, planned.run_url, APPLY)], "", 65_536)


@pytest.mark.parametrize(("name", "text"), [("plan", sample_plan()), ("outcome", sample_outcome())])
def test_the_sample_thread_is_what_the_bot_would_write(name: str, text: str) -> None:
    found = re.search(rf"<!-- sample: {name} -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert found
    lines = [line.removeprefix(">").removeprefix(" ") for line in found[1].rstrip("\n").splitlines()]
    assert "\n".join(lines) + "\n" == text


# --- plangate.yml -------------------------------------------------------------------------------------------


def environment(config_file: Path) -> dict[str, str]:
    variables = re.findall(r"\b[A-Z][A-Z_]+\b(?=\n|$)", config_file.read_text())
    return {
        "PLANGATE_CONFIG": str(config_file),
        "PLANGATE_URL": "https://plangate.example.com",
        "PLANGATE_SECRET_KEY": generate_key(),
        "PLANGATE_GITHUB_TOKEN": "ghp_x",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "secret",
        **{name: f"the value of {name}" for name in variables if not name.endswith(("_ID", "_KEY"))},
    }


def readme_manifests() -> list[str]:
    return [block for block in blocks(section("plangate.yml"), "yaml") if "workspaces:" in block]


def test_the_readme_shows_a_plangate_yml_that_loads(tmp_path: Path) -> None:
    shown = readme_manifests()
    assert shown
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.yml"
        path.write_text(text)
        config = configured(environment(path))
        assert config.workspaces or config.discover


def options() -> list[str]:
    forms: tuple[type[BaseModel], ...] = (Manifest, forge_form(KINDS), WorkspaceEntry, DiscoverEntry)
    return list(dict.fromkeys(name for form in forms for name in form.model_fields))


@pytest.mark.parametrize("option", options())
def test_every_option_of_plangate_yml_is_described(option: str) -> None:
    assert re.search(rf"^\| `{option}` \|", section("plangate.yml"), re.MULTILINE)


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
    text = (ROOT / "docs/github-app.md").read_text()
    titles = {"statuses": "Commit statuses"}
    for name, access in PERMISSIONS.items():
        title = titles.get(name, name.replace("_", " ").capitalize())
        assert re.search(rf"^\| {title} \| {access} \|", text, re.MULTILINE), title
    for event in EVENTS:
        assert f"**{event.replace('_', ' ').capitalize()}**" in text


# --- the project --------------------------------------------------------------------------------------------


def test_the_code_map_names_every_room_and_no_other() -> None:
    package = Path(bot.__file__).parent
    there = {f"{p.name}/" for p in package.iterdir() if (p / "__init__.py").is_file()}
    there |= {p.name for p in package.glob("*.py") if p.name != "__init__.py"}
    mapped = re.findall(r"^\| `bot/([a-z_]+(?:/|\.py))` \|", section("Code map"), re.MULTILINE)
    assert sorted(mapped) == sorted(there)


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    titles = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version in titles


def test_contributors_are_told_of_every_target_of_make() -> None:
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert [target for target in targets if f"`make {target}" not in text] == []


QUESTIONS = {
    *(
        "a comment command",
        "a rule of `/apply`",
        "a status text",
        "a page",
        "a setting",
        "a migration",
        "a forge",
    ),
    *("a port", "an API resource", "a scheduled job"),
}


def answers() -> dict[str, list[str]]:
    """The questions of "Where do I ...?", each with the paths of its answer."""
    found = re.search(r"^## Where do I \.\.\.\?\n(.*?)^In general", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    assert found, "CONTRIBUTING.md has no section `Where do I ...?`"
    rows = re.findall(r"^\| (.+?) \| (`[^|]+`) \| (.*) \|$", found[1], re.MULTILINE)
    path = re.compile(r"`((?:bot|templates|tests|docs)/[^`]*)`")
    return {question: path.findall(place) + path.findall(more) for question, place, more in rows}


def test_newcomers_are_told_where_to_go() -> None:
    assert QUESTIONS - set(answers()) == set()


@pytest.mark.parametrize("question", sorted(answers()))
def test_the_place_that_newcomers_are_told_exists(question: str) -> None:
    paths = answers()[question]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


def test_every_decision_is_listed_and_says_what_it_costs() -> None:
    listed = set(re.findall(r"\(docs/adr/([\w-]+\.md)\)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert {path.name for path in records} <= listed
    for path in records:
        titles = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert titles == ["Question", "Decision", "What it costs"], path.name
