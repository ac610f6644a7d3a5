"""The documentation as a whole: every page is reached, no link is dead, the pictures fit the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import bot
from tests.support.docs import BESIDE, DOCS, PAGES, ROOT, anchors, blocks, links, name_of, page

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


# --- the site -----------------------------------------------------------------------------------------------


class _Config(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name functions of Python."""


_Config.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda _loader, name, _node: name)


def nav(entries: Any) -> Iterator[str]:
    """The pages of the site's navigation."""
    if isinstance(entries, str):
        yield entries
        return
    for inner in entries.values() if isinstance(entries, dict) else entries:
        yield from nav(inner)


def test_every_page_is_in_the_navigation_once() -> None:
    config = yaml.load((ROOT / "mkdocs.yml").read_text(), _Config)
    assert config["strict"] is True
    there = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(nav(config["nav"])) == sorted(there)


def test_every_page_has_one_title() -> None:
    for path in PAGES:
        text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, name_of(path)


def test_every_picture_has_its_variants_and_is_shown() -> None:
    files = {path.name for path in (DOCS / "screenshots").iterdir()}
    names = {name.removesuffix("-light.webp") for name in files if name.endswith("-light.webp")}
    wide = {name for name in names if not name.endswith("-phone")}
    ways = [f"{size}-{scheme}" for size in ("", "-phone") for scheme in ("light", "dark")]
    assert files == {f"{name}{way}.webp" for name in wide for way in ways}
    shown = {Path(link).name for link in links(DOCS / "reference" / "pictures.md")}
    assert files <= shown


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_within_the_project_leads_somewhere(path: Path) -> None:
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{name_of(path)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(path)} links to {link}"
        # The site has only what is in docs/.
        assert path in BESIDE or target.is_relative_to(DOCS), f"{name_of(path)} links out of docs/: {link}"


def test_the_site_has_locked_packages_of_its_own() -> None:
    lock = (ROOT / "requirements-docs.lock").read_text()
    packages = re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)
    assert "mkdocs-material" in packages
    assert len(re.findall(r"^    --hash=sha256:", lock, re.MULTILINE)) >= len(packages)


# --- the project --------------------------------------------------------------------------------------------


def test_the_code_map_names_every_room_and_no_other() -> None:
    package = Path(bot.__file__).parent
    there = {f"{p.name}/" for p in package.iterdir() if (p / "__init__.py").is_file()}
    there |= {p.name for p in package.glob("*.py") if p.name != "__init__.py"}
    mapped = re.findall(r"^\| `bot/([a-z_]+(?:/|\.py))` \|", page("explanation/architecture"), re.MULTILINE)
    assert sorted(mapped) == sorted(there)


def test_the_picture_of_the_architecture_has_the_rooms_and_floors_of_the_code() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (floors,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    (picture,) = blocks(page("explanation/architecture"), "mermaid")
    drawn = re.findall(r"^    subgraph .*?\n(.*?)^    end$", picture, re.MULTILINE | re.DOTALL)
    assert [sorted(floor.split()) for floor in drawn] == [sorted(floor.split(" | ")) for floor in floors]
    package = Path(bot.__file__).parent
    there = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    there |= {path.stem for path in package.glob("*.py") if path.name != "__init__.py"}
    assert {room for floor in drawn for room in floor.split()} == there


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


def test_every_decision_is_listed_and_says_what_it_costs() -> None:
    listed = set(re.findall(r"\(\.\./adr/([\w-]+\.md)\)", page("explanation/decisions")))
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))
    assert {path.name for path in records} == listed
    for path in records:
        titles = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert titles == ["Question", "Decision", "What it costs"], path.name
