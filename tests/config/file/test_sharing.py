"""`share_state_with` and `inputs` in plangate.yml."""

from __future__ import annotations

import pytest

from bot.domain.workspaces.outputs import Input
from tests.config.file.test_manifest import manifest, wrong


def app(inputs: str = "{vpc_id: network.vpc_id}", shares: str = "[app]", more: str = "") -> str:
    return f"""
workspaces:
  - {{name: network, repo: acme/a, branch: main, working_directory: network, share_state_with: {shares}}}
  - {{name: staging, repo: acme/a, branch: staging, share_state_with: ["*"]}}
  - {{name: other, repo: acme/b, share_state_with: ["*"]}}
  - {{name: app, repo: acme/a, branch: main, working_directory: app, inputs: {inputs}{more}}}
"""


def test_inputs_imply_the_order() -> None:
    network, _, _, found = manifest(app(more=", depends_on: [network]"))
    assert network.share_state_with == ("app",)
    assert found.inputs == (Input("vpc_id", "network", "vpc_id"),)
    assert found.depends_on == ("network",)
    assert manifest(app())[3].depends_on == ("network",)


@pytest.mark.parametrize("shares", ["[app]", "['a*']", "['?pp', other]", "['*']"])
def test_a_state_is_shared_with_names_and_patterns(shares: str) -> None:
    assert wrong(app(shares=shares)) == []


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ("{vpc_id: netwrok.vpc_id}", "there is no workspace `netwrok`; did you mean `network`?"),
        ("{vpc_id: app.vpc_id}", "`app.vpc_id` is an output of this workspace itself"),
        ("{vpc_id: other.vpc_id}", "`other` is not a workspace of the same repository and branch"),
        ("{vpc_id: staging.vpc_id}", "`staging` is not a workspace of the same repository and branch"),
        ("{vpc_id: network}", "`network` is not an output: write the workspace's name and the output's"),
        ("{vpc_id: network.a.b}", "`network.a.b` is not an output"),
        ("{count: network.a}", "count is a word that Terraform keeps for itself"),
    ],
)
def test_inputs_must_name_outputs_of_the_repository(inputs: str, said: str) -> None:
    [problem] = wrong(app(inputs))
    assert "workspaces[3].inputs" in problem
    assert said in problem


def test_inputs_come_only_from_workspaces_that_share() -> None:
    [problem] = wrong(app(shares="[staging]"))
    assert "`network` does not share its state with this workspace" in problem
    assert "write `share_state_with: [app]` there" in problem


def test_an_input_is_no_variable_of_the_file_too() -> None:
    for variables in ("{vpc_id: one}", "[{key: vpc_id, value: one}]"):
        [problem] = wrong(app(more=f", variables: {variables}"))
        assert "vpc_id is under `variables`, too: keep one of them" in problem
    assert wrong(app(more=", variables: [{key: vpc_id, value: one, category: env}]")) == []


def test_inputs_may_form_no_cycle() -> None:
    [problem] = wrong("""
workspaces:
  - {name: a, repo: acme/a, working_directory: a, share_state_with: [b], inputs: {x: b.x}}
  - {name: b, repo: acme/a, working_directory: b, share_state_with: [a], depends_on: [a]}
""")
    assert "forms a cycle: " in problem


def test_inputs_and_run_triggers_may_form_no_cycle() -> None:
    [problem] = wrong("""
workspaces:
  - {name: a, repo: acme/a, working_directory: a, share_state_with: [b], run_triggers: [b]}
  - {name: b, repo: acme/a, working_directory: b, inputs: {x: a.x}}
""")
    assert "form a cycle: " in problem


def test_a_state_is_shared_with_somebody() -> None:
    [problem] = wrong(app(shares="[app, ap]"))
    assert "workspaces[0].share_state_with[1]" in problem
    assert "no other workspace has this name: `ap`; did you mean `app`?" in problem
    [problem] = wrong("workspaces: [{name: one, repo: acme/a, share_state_with: [one]}]")
    assert "there is no other workspace" in problem


def test_a_rule_may_find_the_readers_later() -> None:
    text = """
workspaces: [{name: one, repo: acme/a, share_state_with: ["envs-*"], inputs: {x: envs-dns.x}}]
discover: [{repo: acme/a, directories: ["envs/*"], share_state_with: [one], inputs: {zone: envs-dns.zone}}]
"""
    assert wrong(text) == []
    one, rule = manifest(text)
    assert (rule.share_state_with, rule.inputs) == (("one",), (Input("zone", "envs-dns", "zone"),))
    assert one.depends_on == ("envs-dns",)


def test_only_states_that_are_kept_here_can_be_shared() -> None:
    [problem] = wrong("""
workspaces:
  - {name: one, repo: acme/a, own_backend: true, share_state_with: [two]}
  - {name: two, repo: acme/b}
""")
    assert "is for states that Plangate keeps" in problem
