"""Directories become workspaces by rule, with names that stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import ConfigError
from bot.domain.events import RepoRef
from bot.domain.workspaces.discovery import NAME, DiscoverRule
from bot.domain.workspaces.workspace import Triggers, Workspace

LIKE = Workspace("", "", RepoRef("github", "acme/mono"), branch="main", auto_apply=True)


@pytest.mark.parametrize(
    ("directories", "exclude", "directory", "matches"),
    [
        (["envs/*"], [], "envs/prod", True),
        (["envs/*"], [], "envs/prod/eu", False),
        (["envs/*"], [], "envs", False),
        (["services/**"], [], "services/a/b", True),
        (["services/**"], [], "services", False),
        (["**"], [], "", True),
        (["."], [], "", True),
        (["."], [], "a", False),
        (["**"], ["**/modules/**"], "a/modules/b", False),
        (["**"], ["**/modules/**"], "a/modules", False),
        (["**"], ["**/modules/**"], "modules", False),
        (["**"], ["**/modules/**"], "a/modules2", True),
        (["a", "b"], ["b"], "b", False),
        (["/a/"], [], "a", True),
    ],
)
def test_which_directories_match(
    directories: list[str], exclude: list[str], directory: str, matches: bool
) -> None:
    assert DiscoverRule(LIKE, tuple(directories), tuple(exclude)).matches(directory) is matches


@pytest.mark.parametrize(
    ("template", "directory", "name"),
    [
        ("{directory}", "envs/prod", "envs-prod"),
        ("{name}", "envs/prod", "prod"),
        ("{repo}-{name}", "envs/prod", "mono-prod"),
        ("{directory}", "", "mono"),
        ("{name}", "", "mono"),
        ("{directory}", "envs/eu.west 1", "envs-eu-west-1"),
        ("{name}", "a/{repo}", "-repo-"),
    ],
)
def test_names(template: str, directory: str, name: str) -> None:
    assert DiscoverRule(LIKE, ("**",), name=template).name_of(directory) == name


def test_found_workspaces_have_the_rules_settings() -> None:
    like = Workspace(
        "", "", LIKE.repo, auto_apply=True, triggers=Triggers(patterns=("{directory}/**", "modules/**"))
    )
    found = DiscoverRule(like, ("envs/*",)).workspaces(["envs/b", "other", "envs/a/", "envs/b"])
    assert [(w.name, w.working_directory, w.discovered, w.auto_apply) for w in found] == [
        ("envs-a", "envs/a", True, True),
        ("envs-b", "envs/b", True, True),
    ]
    assert found[0].triggers.patterns == ("envs/a/**", "modules/**")


def test_two_directories_of_one_name_are_refused_rather_than_numbered() -> None:
    rule = DiscoverRule(LIKE, ("**",))
    with pytest.raises(ConfigError, match="`a-b` and `a/b` would both be workspace `a-b`"):
        rule.workspaces(["a/b", "a-b"])


@given(st.text(max_size=300), st.sampled_from(["{directory}", "{name}", "{repo}_{directory}"]))
def test_every_name_is_one_that_plangate_takes(directory: str, template: str) -> None:
    name = DiscoverRule(LIKE, ("**",), name=template).name_of(directory)
    assert NAME.fullmatch(name)


def test_long_names_stay_apart() -> None:
    rule = DiscoverRule(LIKE, ("**",))
    found = rule.workspaces(["x" * 100 + "/a", "x" * 100 + "/b"])
    assert len({w.name for w in found}) == 2
