"""Policy sets in plangate.yml: who owns them, and what is said of what cannot be meant."""

from __future__ import annotations

import pytest

from bot.config.file.marked_yaml import parse_document
from bot.config.file.policies import read_policy_sets
from bot.config.file.validate import check
from bot.config.problems import Problems
from bot.domain.errors import ConfigError
from bot.domain.policies.owners import Owner
from bot.domain.policies.sets import PolicyLimits, PolicySet
from bot.forges.kinds import KINDS

TWO = "forges: {hub: {kind: github}, lab: {kind: gitlab}}\n"


def read(fields: str, forges: str = "") -> PolicySet:
    """Return the one set of a file; raises ConfigError with what is said of it."""
    repo = "hub:acme/a" if forges else "acme/a"
    text = f"{forges}workspaces: [{{name: a, repo: '{repo}'}}]\n"
    text += f"policy_sets:\n  - {{name: guard, folder: rules, global: true, {fields}}}\n"
    problems = Problems()
    manifest = check(parse_document(text.encode(), "p.yml"), KINDS, problems)
    problems.refuse()
    (found,) = read_policy_sets(
        manifest.policy_sets or (), manifest.first_forge, PolicyLimits(300, 2048 << 20), problems
    )
    problems.refuse()
    return found


def test_owners_are_people_and_teams_of_the_forge() -> None:
    found = read("owners: [olga, '@Sam-x', 'helper[bot]', Acme/Ops, acme/ops]").owners
    assert found == (
        Owner("github", "olga"),
        Owner("github", "Sam-x"),
        Owner("github", "helper[bot]"),
        Owner("github", "acme/ops", is_team=True),
    )


def test_on_gitlab_a_group_at_the_top_has_a_slash_behind_it() -> None:
    found = read("owners: ['hub:olga', 'lab:acme/net/core', 'lab:acme/']", TWO).owners
    assert found == (
        Owner("hub", "olga"),
        Owner("lab", "acme/net/core", is_team=True),
        Owner("lab", "acme", is_team=True),
    )


@pytest.mark.parametrize(
    ("fields", "forges", "why"),
    [
        ("owners: ['no one']", "", "is neither a login nor a team: write `olga`, or `acme/ops`"),
        ("owners: ['https://x/y']", "", "is neither a login nor a team"),
        ("owners: [olga]", TWO, "say on which forge that is: `hub:olga` or `lab:olga`"),
        ("owners: ['lap:olga']", TWO, "there is no forge `lap` in this file; did you mean `lab`?"),
        (
            "owners: ['hub:acme/a/b']",
            TWO,
            "`acme/a/b` is not a valid team: on GitHub a team is written organization/",
        ),
        ("owners: [acme/]", "", "`acme/` is not a valid team: on GitHub"),
    ],
)
def test_owners_that_cannot_be_meant_are_refused_with_what_to_write(
    fields: str, forges: str, why: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(fields, forges)
    assert why in str(caught.value)
    assert "policy_sets[0].owners[" in str(caught.value)


def test_limits_are_the_servers_unless_a_set_says_less() -> None:
    assert read("owners: [olga]").limits == PolicyLimits(300, 2048 << 20)
    assert read("timeout: 30s, memory: 512").limits == PolicyLimits(30, 512 << 20)


def test_a_set_may_name_its_packages_and_require_opa() -> None:
    assert (read("owners: [a]").namespaces, read("owners: [a]").needs_opa) == (("main",), False)
    found = read("namespaces: [main, aws.net, '*'], evaluator: opa")
    assert (found.namespaces, found.needs_opa) == (("main", "aws.net", "*"), True)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            "timeout: 10m",
            "guard: timeout: 10m is more than PLANGATE_POLICY_TIMEOUT allows (300 seconds)",
        ),
        ("namespaces: ['a b']", "`a b` is not a package"),
        ("evaluator: conftest", "evaluator"),
        ("timeout: 2d", "`2d` must be from 1s to 1h"),
        ("timeout: soon", "`soon` is not a valid duration"),
        ("memory: 4096", "guard: memory: 4096 must be a number of megabytes from 128 to 2048"),
        (
            "memory: 10",
            "10 must be a number of megabytes from 128 to 2048, which PLANGATE_POLICY_MEMORY allows",
        ),
        ("memory: lots", "memory"),
    ],
)
def test_limits_out_of_range_are_refused_with_the_range(fields: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(fields)
    assert why in str(caught.value)
