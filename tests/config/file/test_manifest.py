"""plangate.yml becomes workspaces and rules, or errors that point at the line and say the fix."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.config.file.manifest import DiscoverEntry, Options, WorkspaceEntry, forge_form, json_schema
from bot.config.file.marked_yaml import YamlError, parse_document
from bot.config.file.validate import check
from bot.config.file.workspaces import read_rules, read_workspaces
from bot.config.problems import Problems
from bot.domain.errors import ConfigError, Invalid
from bot.domain.events import RepoRef
from bot.domain.plans.modes import ALLOWED_BY_DEFAULT, Mode
from bot.domain.workspaces.concurrency import Concurrency
from bot.domain.workspaces.drift import DriftIgnore, DriftSettings
from bot.domain.workspaces.freeze import FreezeWindow
from bot.domain.workspaces.identity import Cloud, Identity, Target
from bot.domain.workspaces.isolation import Isolation, Network
from bot.domain.workspaces.merge_method import MergeMethod
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.versions import Constraint
from bot.domain.workspaces.workspace import EngineKind, Merging, PlanOf, Triggers, Workspace
from bot.forges.kinds import KINDS
from bot.wiring import configured

ROOT = Path(__file__).parents[3]
KEY = "A" * 43 + "="
ENV = {
    "PLANGATE_URL": "https://plangate.example.com",
    "PLANGATE_SECRET_KEY": KEY,
    "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
    "PLANGATE_GITHUB_TOKEN": "token",
}


def wrong(text: str | bytes) -> list[str]:
    """Return what is said about a file."""
    problems = Problems()
    raw = text if isinstance(text, bytes) else text.encode()
    try:
        check(parse_document(raw, "p.yml"), KINDS, problems)
        problems.refuse()
    except YamlError as error:
        return [str(error)]
    except ConfigError as error:
        return [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    return []


def test_the_example_shows_every_option_and_loads() -> None:
    path = ROOT / "examples" / "plangate.yml"
    config = configured(
        ENV
        | {
            "PLANGATE_CONFIG": str(path),
            "WORK_WEBHOOK_SECRET": "s",
            "WORK_APP_ID": "7",
            "WORK_APP_PRIVATE_KEY": "-----BEGIN KEY-----",
            "DNS_TOKEN_READS": "t0ken",
            "DNS_TOKEN_WRITES": "t0ken",
            "PLANGATE_GITLAB_TOKEN": "lab-token",
            "PLANGATE_GITLAB_WEBHOOK_SECRET": "s",
            "OPS_SLACK_URL": "https://slack.example.com/hook",
            "CHATOPS_SIGNING_KEY": "k",
            "COST_SIGNING_KEY": "k",
            "CHECKOV_TOKEN": "t",
            "PLANGATE_SMTP": "smtps://mail.example.com",
            "PLANGATE_SMTP_FROM": "plangate@example.com",
        }
    )
    assert [forge.name for forge in config.forges] == ["github", "work", "lab"]
    assert config.forges[0].login == {"token": "token"}
    assert config.forges[1].login == {"app_id": "7", "app_private_key": "-----BEGIN KEY-----"}
    assert config.forges[1].api_url == "https://github.example.com/api/v3"
    assert config.workspaces[0] == Workspace(
        id="",
        name="network-prod",
        repo=RepoRef("github", "acme/infra"),
        branch="main",
        working_directory="network",
        triggers=Triggers(prefixes=("modules",)),
        engine_version="~> 1.9",
        allowed_modes=tuple(Mode),
        require=("approved", "codeowners", "mergeable", "up_to_date", "policies_passed", "not_draft"),
        identity=Identity(
            (
                Target(
                    "aws",
                    Cloud.AWS,
                    "sts.amazonaws.com",
                    "arn:aws:iam::123456789012:role/plangate-plan",
                    "arn:aws:iam::123456789012:role/plangate-apply",
                ),
            )
        ),
        freeze=(
            FreezeWindow("0 16 * * FRI", timedelta(hours=64), "Europe/Berlin", why="No applies on weekends"),
        ),
        drift=DriftSettings(
            "0 6 * * *",
            zone="Europe/Berlin",
            ignore=(DriftIgnore("module.autoscaling.*"), DriftIgnore("aws_instance.*", ("tags",))),
        ),
        tags=("production", "pci"),
        concurrency=Concurrency("aws-prod", 2),
        pool="production",
        labels=True,
        project="shop",
        team="platform",
        merging=Merging(keep_approval=True, merge_method=MergeMethod.SQUASH, plan_of=PlanOf.MERGE),
        isolation=Isolation(
            egress=("*.amazonaws.com", "registry.terraform.io", "releases.hashicorp.com", "10.20.0.0/16"),
            providers=("hashicorp/*",),
        ),
    )
    assert config.workspaces[1].engine is EngineKind.TOFU
    assert config.workspaces[2].repo == RepoRef("work", "platform/dns")
    assert not config.workspaces[2].triggers.file_triggers
    assert config.workspaces[2].run_triggers == ("network-prod",)
    assert config.workspaces[3].triggers.tag_regex == "^v"
    assert config.workspaces[4].repo == RepoRef("lab", "platform/network/edge")
    assert [workspace.own_backend for workspace in config.workspaces] == [False] * 4 + [True]
    lab = config.forges[2]
    assert (lab.kind, lab.login, lab.url) == (
        "gitlab",
        {"token": "lab-token"},
        "https://git.example.com/gitlab",
    )
    [rule] = config.discover
    assert [w.name for w in rule.workspaces(["envs/prod", "docs"])] == ["monorepo-envs-prod"]
    text = path.read_text()
    for model in (forge_form(KINDS), Options, WorkspaceEntry, DiscoverEntry):
        for option in model.model_fields:
            assert f"{option}:" in text, option


def manifest(text: str) -> tuple[Workspace, ...]:
    problems = Problems()
    read = check(parse_document(text.encode(), "p.yml"), KINDS, problems)
    problems.refuse()
    return (*read_workspaces(read), *(rule.like for rule in read_rules(read)))


def test_what_the_defaults_require_a_workspace_adds_to_and_never_lowers() -> None:
    one, two, rule = manifest("""
defaults: {require: [approved, mergeable]}
workspaces:
  - {name: one, repo: acme/a, require: []}
  - {name: two, repo: acme/a, require: [not_draft, approved]}
discover:
  - {repo: acme/b, directories: [.], require: [codeowners]}
""")
    assert one.require == ("approved", "mergeable")
    assert two.require == ("approved", "mergeable", "not_draft")
    assert rule.require == ("approved", "mergeable", "codeowners")


@pytest.mark.parametrize(
    "constraint",
    [
        "1.9.5",
        "v1.9.5",
        "1.6.0-alpha-1",
        "= v1.6",
        "!= 1.6.0-rc.1",
        ">= 1.5, < 2.0",
        "~>1.9",
        ">1,<=2",
        "1.9+a",
    ],
)
def test_the_configuration_takes_the_versions_that_the_engine_takes(constraint: str) -> None:
    (one,) = manifest(f"workspaces: [{{name: one, repo: acme/a, terraform_version: '{constraint}'}}]")
    assert one.engine_version == constraint
    assert Constraint.parse(one.engine_version).parts


@pytest.mark.parametrize("constraint", ["1.9,", "1.2.3.4", "=> 1", "1.9 1.8", "9" * 5000, "1.9.x"])
def test_the_configuration_refuses_the_versions_that_the_engine_refuses(constraint: str) -> None:
    with pytest.raises(Invalid):
        Constraint.parse(constraint)
    with pytest.raises(ConfigError, match="is not a version"):
        manifest(f"workspaces: [{{name: one, repo: acme/a, terraform_version: '{constraint}'}}]")


def test_defaults_fill_what_a_workspace_leaves_out() -> None:
    one, two, rule = manifest("""
defaults:
  {auto_apply: true, branch: live, trigger_patterns: ["**/*.tf"], engine: tofu, terraform_version: "1.8"}
workspaces:
  - {name: one, repo: acme/a}
  - {name: two, repo: acme/a, auto_apply: false, branch: main, trigger_prefixes: [x/], engine: terraform}
discover:
  - {repo: acme/b, directories: [.], tag_regex: ^v}
""")
    assert (one.auto_apply, one.branch, one.engine, one.engine_version) == (
        True,
        "live",
        EngineKind.TOFU,
        "1.8",
    )
    assert one.triggers == Triggers(patterns=("**/*.tf",))
    assert (two.auto_apply, two.branch, two.engine) == (False, "main", EngineKind.TERRAFORM)
    assert two.triggers == Triggers(prefixes=("x",))
    assert rule.triggers == Triggers(patterns=("**/*.tf",), tag_regex="^v")


def test_a_workspace_keeps_the_limit_of_its_group_or_of_the_defaults() -> None:
    one, two, rule = manifest("""
concurrency: {aws: 2, slow: 1}
defaults: {concurrency: aws}
workspaces:
  - {name: one, repo: acme/a}
  - {name: two, repo: acme/a, concurrency: slow}
discover:
  - {repo: acme/b, directories: [.]}
""")
    assert [each.concurrency for each in (one, two, rule)] == [
        Concurrency("aws", 2),
        Concurrency("slow", 1),
        Concurrency("aws", 2),
    ]


@pytest.mark.parametrize("limit", ["0", "-1", "true", "1.5", '"2"', "[]", ""])
def test_a_limit_that_is_no_number_of_runs_is_refused(limit: str) -> None:
    (found,) = wrong(f"concurrency: {{aws: {limit}}}\nworkspaces: [{{name: one, repo: acme/a}}]")
    assert found.endswith("must be how many runs may be at work at once: a whole number from 1, such as 2")


@pytest.mark.parametrize(
    ("top", "says"),
    [
        ("concurrency: {aws-prod: 2}", "did you mean `aws-prod`?"),
        ("concurrency: {other: 2, slow: 1}", "use one of: `other`, `slow`"),
        ("", "write it there with its limit, such as `aws-prd: 2`"),
    ],
)
@pytest.mark.parametrize(
    "entry",
    [
        "workspaces: [{name: one, repo: acme/a, concurrency: aws-prd}]",
        "discover: [{repo: acme/a, directories: [.], concurrency: aws-prd}]",
        "workspaces: [{name: one, repo: acme/a}]\ndefaults: {concurrency: aws-prd}",
    ],
)
def test_a_group_without_a_limit_is_named(top: str, says: str, entry: str) -> None:
    (found,) = wrong(f"{top}\n{entry}")
    assert f"there is no group `aws-prd` under `concurrency:`; {says}" in found


def test_a_group_has_a_name_that_texts_can_show() -> None:
    (found,) = wrong('concurrency: {"aws @all": 2}\nworkspaces: [{name: one, repo: acme/a}]')
    assert "`aws @all` is not a valid group name: letters, digits, `-`, `_`" in found


def test_modes_are_allowed_as_the_file_says_all_but_destroy_where_it_does_not() -> None:
    plain, every, none = manifest("""
workspaces:
  - {name: plain, repo: acme/a}
  - {name: every, repo: acme/a, allowed_modes: [target, destroy, refresh-only, replace]}
  - {name: none, repo: acme/a, allowed_modes: []}
""")
    assert plain.allowed_modes == ALLOWED_BY_DEFAULT
    assert Mode.DESTROY not in ALLOWED_BY_DEFAULT
    assert every.allowed_modes == tuple(Mode)
    assert none.allowed_modes == ()
    [said] = wrong("workspaces: [{name: a, repo: acme/a, allowed_modes: [destory]}]")
    assert "`destory` is not known; did you mean `destroy`?" in said


def test_run_triggers_are_read_and_doubles_count_once() -> None:
    source, follower = manifest("""
workspaces:
  - {name: source, repo: acme/a}
  - {name: follower, repo: acme/b, run_triggers: [source, source], auto_apply_run_triggers: true}
""")
    assert (source.run_triggers, source.auto_apply_run_triggers) == ((), False)
    assert (follower.run_triggers, follower.auto_apply_run_triggers) == (("source",), True)


def test_run_triggers_must_name_workspaces_and_may_not_form_a_cycle() -> None:
    [said] = wrong("""
workspaces:
  - {name: network, repo: acme/a}
  - {name: app, repo: acme/a, run_triggers: [netwrok]}
""")
    assert "workspaces[1].run_triggers" in said
    assert "there is no workspace `netwrok`; did you mean `network`?" in said
    [said] = wrong("""
workspaces:
  - {name: a, repo: acme/a, run_triggers: [c]}
  - {name: b, repo: acme/a, run_triggers: [a]}
  - {name: c, repo: acme/a, run_triggers: [b]}
  - {name: d, repo: acme/a, run_triggers: [a]}
""")
    assert "form a cycle: a -> b -> c -> a; leave one of these out" in said
    [said] = wrong("workspaces: [{name: own, repo: acme/a, run_triggers: [own]}]")
    assert "cycle: own -> own" in said


def test_a_run_trigger_may_name_what_is_only_found_later() -> None:
    text = """
workspaces: [{name: app, repo: acme/a, run_triggers: [envs-prod]}]
discover: [{repo: acme/a, directories: ["envs/*"]}]
"""
    assert wrong(text) == []


def test_depends_on_is_read_and_doubles_count_once() -> None:
    network, app = manifest("""
workspaces:
  - {name: network-prod, repo: acme/a, working_directory: network}
  - {name: app-prod, repo: Acme/A, depends_on: [network-prod, network-prod, network]}
""")
    assert (network.depends_on, app.depends_on) == ((), ("network-prod", "network"))


@pytest.mark.parametrize("entry", ["network", "network-*", "net/prod", "net/**", "../prod"])
def test_depends_on_takes_names_directories_and_patterns(entry: str) -> None:
    text = f"""
workspaces:
  - {{name: network, repo: acme/a, working_directory: net/prod}}
  - {{name: network-dns, repo: acme/a, working_directory: net/dns}}
  - {{name: app, repo: acme/a, working_directory: net/app, depends_on: ["{entry}"]}}
"""
    assert wrong(text) == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("netwrok", "has this name or directory: `netwrok`; did you mean `network`?"),
        ("other", "`other` belongs to another repository (acme/b)"),
        ("staging", "`staging` follows another branch"),
        ("app", "`app` is this workspace itself: leave it out"),
        ("services/app", "`services/app` is this workspace itself: leave it out"),
    ],
)
def test_depends_on_must_mean_another_workspace_of_the_repository(entry: str, said: str) -> None:
    [problem] = wrong(f"""
workspaces:
  - {{name: network, repo: acme/a, branch: main, working_directory: network}}
  - {{name: staging, repo: acme/a, branch: staging, working_directory: network}}
  - {{name: other, repo: acme/b, working_directory: network}}
  - {{name: app, repo: acme/a, branch: main, working_directory: services/app, depends_on: ["{entry}"]}}
""")
    assert "workspaces[3].depends_on" in problem
    assert said in problem


@pytest.mark.parametrize("entry", ["../..", "../../x/../y", "../"])
def test_depends_on_goes_up_only_at_its_beginning(entry: str) -> None:
    said = wrong(f"workspaces: [{{name: app, repo: acme/a, working_directory: a, depends_on: ['{entry}']}}]")
    assert any("is not a directory: write it like `../network`" in each for each in said)


def test_depends_on_may_form_no_cycle() -> None:
    [said] = wrong("""
workspaces:
  - {name: a, repo: acme/a, working_directory: a, depends_on: [c]}
  - {name: b, repo: acme/a, working_directory: b, depends_on: ["../a"]}
  - {name: c, repo: acme/a, working_directory: c, depends_on: [b]}
""")
    assert "depends_on" in said
    assert "forms a cycle: " in said
    assert said.count(" -> ") == 3


def test_a_pattern_of_depends_on_may_cover_its_own_workspace_but_no_cycle() -> None:
    rule = 'depends_on: ["team-*"]'
    assert (
        wrong(f"workspaces: [{{name: team-a, repo: acme/a, {rule}}}, {{name: team-b, repo: acme/a}}]") == []
    )
    [said] = wrong(
        f"workspaces: [{{name: team-a, repo: acme/a, {rule}}}, {{name: team-b, repo: acme/a, {rule}}}]"
    )
    assert "forms a cycle: " in said


def test_depends_on_may_mean_what_is_only_found_later() -> None:
    text = """
workspaces: [{name: app, repo: acme/a, depends_on: [envs-prod]}]
discover: [{repo: acme/a, directories: ["envs/*"], depends_on: ["../network"]}]
"""
    assert wrong(text) == []


def test_groups_in_groups_are_gitlabs() -> None:
    forges = "forges: {hub: {kind: github}, lab: {kind: gitlab}}\n"
    [one] = manifest(forges + "workspaces: [{name: one, repo: 'lab:Acme/net/infra'}]")
    assert one.repo == RepoRef("lab", "acme/net/infra")
    with pytest.raises(ConfigError, match="only GitLab has groups in groups"):
        manifest(forges + "workspaces: [{name: one, repo: 'hub:acme/net/infra'}]")


def test_a_gitlab_takes_a_token_and_none_of_githubs_ways(tmp_path: Path) -> None:
    path = tmp_path / "plangate.yml"
    lab = "forges: {lab: {kind: gitlab, app_id_env: ID, api_url: 'https://git.example.com/api/v4'}}\n"
    path.write_text(lab + W)
    with pytest.raises(ConfigError) as caught:
        configured(ENV | {"PLANGATE_CONFIG": str(path), "PLANGATE_GITLAB_WEBHOOK_SECRET": "s"})
    said = str(caught.value)
    assert "PLANGATE_GITLAB_TOKEN: is not set (forge `lab`): set it to an access token" in said
    assert "api_url: is for GitHub alone" in said
    assert "app_id_env: is for GitHub alone" in said
    path.write_text("forges: {lab: {kind: gitlab}}\n" + W)
    secrets = {"PLANGATE_GITLAB_WEBHOOK_SECRET": "s, whsec_t", "PLANGATE_GITLAB_TOKEN": "t"}
    [forge] = configured(ENV | {"PLANGATE_CONFIG": str(path), **secrets}).forges
    assert (forge.url, forge.login) == ("https://gitlab.com", {"token": "t"})
    assert forge.webhook_secrets == ("s", "whsec_t")


def test_a_single_forge_of_another_name_needs_no_prefix() -> None:
    [one] = manifest("forges: {work: {kind: github}}\nworkspaces: [{name: one, repo: acme/a}]")
    assert one.repo == RepoRef("work", "acme/a")


def test_anchors_and_merges_work() -> None:
    one, two = manifest("""
workspaces:
  - &one {name: one, repo: acme/a, auto_apply: true}
  - {<<: *one, name: two}
""")
    assert (two.name, two.repo, two.auto_apply) == ("two", one.repo, True)


W = "workspaces:\n  - name: one\n    repo: acme/infra\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        # What is no YAML, or none that we take.
        ("", "p.yml: is empty: write `workspaces:`"),
        ("# nothing\n", "p.yml: is empty"),
        ("- x", "p.yml:1:1: must start with a key"),
        (b"a: 1\nb: \xff", "p.yml:2: is not UTF-8"),
        (b"a: 1\nb: \x00", "p.yml:2: holds a control character"),
        ("a:\n\tb: 1", "p.yml:2:1: a tab: YAML is indented with spaces"),
        ("a: b: c", "p.yml:1:5: a second `: ` on the line"),
        ("a: *.tf", "p.yml:1:5: an alias (`*name`) without its anchor"),
        ("a: [*x]", "p.yml:1:5: an alias (`*name`) without its anchor"),
        ("a: &a [*a]", "an alias that holds itself"),
        ("a: @x", "text that starts with this character needs quotes"),
        ("a: 1\n---\nb: 2", "p.yml:2:1: a second document starts here"),
        ("a: !!python/object:os.system x", "p.yml:1:4: a tag (`!...`) that is not known here"),
        ("a: 2024-99-99", "p.yml:1:4: `2024-99-99` is not a valid date or number"),
        ("? [a]\n: b", "a key must be text"),
        ("[" * 1200, "is nested too deeply"),
        ("a: " + "x" * 1_000_001, "is larger than 1 MB"),
        # What is not in the form.
        (W + "    brnch: main", "p.yml:4:5: workspaces[0].brnch: is not known here; did you mean `branch`?"),
        (W + "    name: two", "p.yml:4:5: `name` appears twice (first on line 2): keep one"),
        (
            W + "    auto_apply: 'true'",
            "p.yml:4:17: workspaces[0].auto_apply: must be true or false, not the text",
        ),
        (W + "    auto_apply: 1", "must be true or false, not a number (1)"),
        (
            W + "    branch: yes",
            "must be text, not true (YAML reads `yes` and `on` as true): put it in quotes",
        ),
        (W + "    branch: 2024-01-01", "must be text, not a date (2024-01-01)"),
        (W + "    branch: [main]", "must be text, not a list"),
        (W + "    branch: a..b", "is not a valid branch name"),
        (W + "    branch: refs/heads/main", "is not a valid branch name"),
        (W + "    terraform_version: 1.10", "because YAML reads 1.10 as 1.1"),
        (W + "    terraform_version: latest", "is not a version: write one such as 1.9.5"),
        (W + "    engine: tofuu", "`tofuu` is not known; did you mean `tofu`?"),
        (W + "    tag_regex: '(['", "is not a valid regular expression"),
        (
            W + "    trigger_prefixes: modules/",
            "must be a list: a line with `- ` for each, not the text `modules/`",
        ),
        (W + "    trigger_patterns: ['[ab].tf']", "trigger_patterns[0]: `[ab].tf` is not a valid pattern"),
        (W + "    working_directory: /network", "must be relative to the repository's root: write `network`"),
        (W + "    working_directory: a/../../etc", "must stay inside the repository"),
        (W + "    working_directory: 'a\\b'", "write it with forward slashes"),
        (W + '    working_directory: "a\\u202eb"', "is no folder"),
        (W + "    trigger_prefixes: [../x]", "must stay inside the repository"),
        (W + "    trigger_prefixes: [a]\n    trigger_patterns: [b]", "excludes `trigger_prefixes`: keep one"),
        (
            "workspaces: [{repo: acme/infra}]",
            "p.yml:1:14: workspaces[0].name: is missing: write `name: network-prod`",
        ),
        ("workspaces: [{name: one}]", "workspaces[0].repo: is missing: write `repo: acme/infra`"),
        ("workspaces: [one]", "workspaces[0]: must be a mapping"),
        ("workspaces: {name: one}", "workspaces: must be a list"),
        ("workspaces:", "names no workspace: write one under `workspaces:`"),
        ("workspaces: [{name: a b, repo: a/b}]", "`a b` is not a valid workspace name"),
        (f"workspaces: [{{name: {'a' * 91}, repo: a/b}}]", "at most 90"),
        ("workspaces: [{name: é, repo: a/b}]", "is not a valid workspace name"),
        ("workspaces: [{name: a, repo: a/b}, {name: A, repo: a/b}]", "`A` is the name of workspaces[0] too"),
        (
            "workspaces: [{name: a, repo: infra}]",
            "is not a valid repository: write owner/name, such as `acme/infra`",
        ),
        ("workspaces: [{name: a, repo: 'https://github.com/a/b.git'}]", "such as `a/b`"),
        ("workspaces: [{name: a, repo: a/..}]", "is not a valid repository"),
        (
            "workspaces: [{name: a, repo: 'gitub:a/b'}]",
            "there is no forge `gitub` in this file; did you mean `github`?",
        ),
        (W + "name: two", "name: belongs to a workspace"),
        ("workspaces: [{name: a, repo: a/b, require: [aproved]}]", "did you mean `approved`?"),
        (W + "default: {}", "did you mean `defaults`?"),
        (W + "defaults: {repo: a/b}", "defaults.repo: is not known here"),
        ("discover: [{repo: a/b}]", "discover[0].directories: is missing"),
        ("discover: [{repo: a/b, directories: []}]", "is empty: add at least one"),
        (
            "discover: [{repo: a/b, directories: [x], name: '{dir}'}]",
            "{dir} is not known; use one of: {directory}",
        ),
        ("discover: [{repo: a/b, directories: [x], name: same}]", "gives each directory the same name"),
        # Forges and secrets.
        (W + "forges: {github: {kind: gitub}}", "`gitub` is not known; did you mean `github`?"),
        (W + "forges: {github: {}}", "forges.github.kind: is missing: write `kind: github`"),
        (W + "forges: {GitHub: {kind: github}}", "forges.GitHub: `GitHub` is not a valid forge name"),
        (W + "forges: {github: {kind: github, url: github.com}}", "is not a valid web address"),
        (W + "forges: {github: {kind: github, token: abc}}", "write `token_env: NAME_OF_THE_VARIABLE`"),
        (
            W + "forges: {github: {kind: github, token_env: a-b}}",
            "must be the name of an environment variable",
        ),
        (W + "forges: {a: {kind: github}, b: {kind: github}}", "say on which forge it is: `a:acme/infra` or"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_its_fix(text: str | bytes, says: str) -> None:
    found = wrong(text)
    assert any(says in line for line in found), found
    assert all(line.startswith("p.yml:") for line in found)


def test_the_problems_of_a_file_come_together_in_the_order_of_its_lines() -> None:
    found = wrong("workspaces:\n  - name: a b\n    repo: x\n    name: c\n  - engine: x\n    name: d\n")
    assert [line.split(":")[1] for line in found] == ["3", "4", "5", "5"]


@pytest.mark.parametrize(
    "text",
    [
        W + "    branch: ghp_16charactersorMore",
        W + "forges: {github: {kind: github, token_env: github_pat_abcdefgh1234}}",
        W + "forges: {github: {kind: github, token: ghp_16charactersorMore}}",
        W + "forges: {github: {kind: github, url: 'https://ada:hunter2hunter2@github.com'}}",
        W + "forges: {github: {kind: github, app_private_key: '-----BEGIN hunter2'}}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(text: str) -> None:
    found = "\n".join(wrong(text))
    assert "secrets don't belong in this file" in found
    for secret in ("16characters", "abcdefgh1234", "hunter2"):
        assert secret not in found


def test_a_bomb_of_aliases_is_refused_before_it_unfolds() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    [found] = wrong("\n".join(lines))
    assert "aliases (`*name`) that unfold to more than" in found


def test_two_forges_may_not_read_one_token(tmp_path: Path) -> None:
    path = tmp_path / "plangate.yml"
    path.write_text(
        "forges: {a: {kind: github}, b: {kind: github}}\nworkspaces: [{name: x, repo: 'a:a/b'}]\n"
    )
    with pytest.raises(ConfigError, match="`a` and `b` both read PLANGATE_GITHUB_TOKEN") as caught:
        configured(ENV | {"PLANGATE_CONFIG": str(path)})
    assert "with `token_env`" in str(caught.value)


def test_a_forge_says_which_of_its_variables_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "plangate.yml"
    path.write_text(
        "forges: {work: {kind: github, url: 'http://git.corp', token_env: T, webhook_secret_env: H}}\n" + W
    )
    with pytest.raises(ConfigError) as caught:
        configured({**ENV, "PLANGATE_CONFIG": str(path)})
    assert "T: is not set (forge `work`): set it to a token" in str(caught.value)
    assert "H: is not set (forge `work`): set it to the secret" in str(caught.value)
    config = configured({**ENV, "PLANGATE_CONFIG": str(path), "T": "t", "H": "h"})
    assert config.forges[0].login == {"token": "t"}
    assert any("tokens travel unencrypted" in line for line in config.warnings)


def test_the_schema_is_json_and_knows_every_part() -> None:
    schema = json.loads(json.dumps(json_schema(KINDS)))
    parts = {"forges", "concurrency", "defaults", "workspaces", "discover", "variable_sets", "policy_sets"}
    assert set(schema["properties"]) == parts | {"notifications", "run_tasks", "hooks"}
    assert schema["$defs"]["WorkspaceEntry"]["additionalProperties"] is False
    assert set(schema["$defs"]["WorkspaceEntry"]["required"]) == {"name", "repo"}
    for part in schema["$defs"].values():
        for name, option in part["properties"].items():
            assert option.get("description"), name


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"a: 0x")
@example(b"a: !!int x")
@example(b"a: !!int ''")
@example(b"a: !!bool x")
@example(b"a: !!map x")
@example(b"a: !!null {}")
@example(b"a: !!timestamp x")
@example(b"<<: x")
@example(b"a: !!binary \xc3\xa9")
def test_whatever_the_file_holds_the_error_is_ours(raw: bytes) -> None:
    assert wrong(raw)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("egress: [https://example.com]", "is not a destination: write a name"),
        ("providers: [everything]", "is not a provider's source: write it as hashicorp/*"),
        ("network: open", "network"),
    ],
)
def test_how_runs_are_shut_in_is_checked(line: str, words: str) -> None:
    problems = wrong(f"defaults:\n  {line}\nworkspaces:\n  - name: a\n    repo: acme/infra\n")
    assert any(words in problem for problem in problems)


def test_what_a_workspace_does_not_say_of_its_network_the_server_says() -> None:
    text = "workspaces:\n  - name: a\n    repo: acme/a\n  - name: b\n    repo: acme/b\n    network: host\n"
    manifest = check(parse_document(text.encode(), "p.yml"), KINDS, Problems())
    found = [one.isolation.network for one in read_workspaces(manifest, Network.NONE)]
    assert found == [Network.NONE, Network.HOST]


CLOUDS = """workspaces:
  - name: one
    repo: acme/infra
    identity:
      aws:
        plan_role: "arn:aws:iam::123456789012:role/plan"
        apply_role: "arn:aws:iam::123456789012:role/apply"
      google:
        provider: projects/7/locations/global/workloadIdentityPools/pool/providers/plangate
        plan_service_account: plan@my-project.iam.gserviceaccount.com
      azure: {tenant_id: 00000000-0000-0000-0000-000000000003, audience: "api://mine"}
      vault: {address: "https://vault.example.com"}
      tokens: {registry: "https://registry.example.com"}
"""


def test_identity_names_an_audience_for_each_cloud(tmp_path: Path) -> None:
    (tmp_path / "plangate.yml").write_text(CLOUDS)
    config = configured({**ENV, "PLANGATE_CONFIG": str(tmp_path / "plangate.yml")})
    identity = config.workspaces[0].identity
    pool = "projects/7/locations/global/workloadIdentityPools/pool/providers/plangate"
    assert {target.tag: target.audience for target in identity.targets} == {
        "aws": "sts.amazonaws.com",
        "google": f"https://iam.googleapis.com/{pool}",
        "azure": "api://mine",
        "vault": "vault.workload.identity",
        "registry": "https://registry.example.com",
    }
    aws, google, *_ = identity.targets
    assert (aws.plan_as, aws.apply_as) == (
        "arn:aws:iam::123456789012:role/plan",
        "arn:aws:iam::123456789012:role/apply",
    )
    assert google.wanted_in(Phase.PLAN)
    assert not google.wanted_in(Phase.APPLY)
    assert not identity.forks


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        ("{aws: {plan_role: admin}}", "is not the ARN of a role"),
        ("{aws: {role: x}}", "plan_role"),
        ("{google: {}}", "provider"),
        ("{tokens: {aws: x}}", "can't be the name of a token"),
        ("{tokens: {'A=B': x}}", "can't be the name of a token"),
        ("{vault: {audience: 'two words'}}", "no spaces"),
    ],
)
def test_what_identity_can_not_be_is_told(tmp_path: Path, identity: str, says: str) -> None:
    (tmp_path / "plangate.yml").write_text(
        f"workspaces: [{{name: one, repo: acme/infra, identity: {identity}}}]\n"
    )
    with pytest.raises(ConfigError, match=says):
        configured({**ENV, "PLANGATE_CONFIG": str(tmp_path / "plangate.yml")})


def test_drift_is_inherited_and_a_workspace_has_its_own_times_or_none() -> None:
    usual, own, none = manifest("""
defaults: {drift: "0 6 * * MON", time_zone: Europe/Berlin, drift_ignore: ["a.*"]}
workspaces:
  - {name: usual, repo: acme/a, working_directory: a}
  - {name: own, repo: acme/a, working_directory: b, drift: 1h30m, drift_ignore: []}
  - {name: none, repo: acme/a, working_directory: c, drift: false}
""")
    rules = (DriftIgnore("a.*"),)
    assert usual.drift == DriftSettings("0 6 * * MON", None, "Europe/Berlin", rules)
    assert own.drift == DriftSettings("", timedelta(minutes=90), "Europe/Berlin")
    assert not none.drift.on


@pytest.mark.parametrize(
    ("option", "where", "said"),
    [
        ("drift: 5m", "drift", "from 10m"),
        ("drift: often", "drift", "write an interval such as `6h`"),
        ('drift: "0 25 * * *"', "drift", "25 is not an hour"),
        ("time_zone: Berlin", "time_zone", "Europe/Berlin"),
        ("drift_ignore: [{attributes: [a]}]", "drift_ignore[0]", "address"),
        ('drift_ignore: [""]', "drift_ignore[0]", "must be one line"),
    ],
)
def test_a_time_for_drift_that_is_not_valid_says_how_to_write_it(option: str, where: str, said: str) -> None:
    problems = wrong(f"workspaces: [{{name: app, repo: acme/a, working_directory: a, {option}}}]")
    assert any(where in problem and said in problem for problem in problems), problems


def test_freezes_are_read_and_a_workspace_replaces_those_of_the_defaults() -> None:
    usual, own, none = manifest("""
defaults:
  freeze: [{deny: "0 16 * * 5", for: 64h, zone: Europe/Berlin, why: No applies on weekends}]
workspaces:
  - {name: usual, repo: acme/a, working_directory: a}
  - {name: own, repo: acme/a, working_directory: b, freeze: [{allow: "0 9 * * *", for: 1h30m}]}
  - {name: none, repo: acme/a, working_directory: c, freeze: []}
""")
    weekend = FreezeWindow("0 16 * * 5", timedelta(hours=64), "Europe/Berlin", True, "No applies on weekends")
    assert usual.freeze == (weekend,)
    assert own.freeze == (FreezeWindow("0 9 * * *", timedelta(minutes=90), deny=False),)
    assert none.freeze == ()


@pytest.mark.parametrize(
    ("entry", "where", "said"),
    [
        ('{deny: "0 16 * *", for: 1h}', "deny", "`0 16 * *` is not valid: it has 4 fields, not 5"),
        ('{allow: "0 25 * * *", for: 1h}', "allow", "25 is not an hour: use 0 to 23"),
        ('{deny: "0 16 * * 5", for: 64}', "for", "must be text"),
        ('{deny: "0 16 * * 5", for: long}', "for", "is not a valid duration"),
        ('{deny: "0 16 * * 5", for: 400d}', "for", "a window lasts from 1m to 366d"),
        ('{deny: "0 16 * * 5"}', "for", "is missing: write `for: 64h`"),
        (
            '{deny: "0 16 * * 5", for: 1h, zone: Berlin}',
            "zone",
            "Berlin is not a time zone: write one such as",
        ),
        ("{for: 1h}", "freeze[0]", "needs one of `deny` and `allow`"),
        ('{deny: "0 1 * * *", allow: "0 1 * * *", for: 1h}', "freeze[0]", "needs one of `deny` and `allow`"),
        ('{deny: "0 16 * * 5", for: 1h, why: "' + "x" * 101 + '"}', "why", "100 characters at most"),
        (
            '{deny: "0 16 * * 5", for: 1h, until: x}',
            "until",
            "is not known here; use one of: `allow`, `deny`, `for`",
        ),
    ],
)
def test_a_freeze_that_is_not_valid_says_how_to_write_it(entry: str, where: str, said: str) -> None:
    (problem,) = wrong(f"workspaces: [{{name: app, repo: acme/a, working_directory: a, freeze: [{entry}]}}]")
    assert where in problem
    assert said in problem
