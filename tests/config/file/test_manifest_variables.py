"""Variables of plangate.yml: their forms, their sources, and errors that say line and fix and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config import Config
from bot.config.file.manifest import json_schema
from bot.config.file.variable_entries import VariableEntry, VariableSetEntry
from bot.domain.errors import ConfigError
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import VALUE_BYTES, Category, Variable
from bot.forges.kinds import KINDS
from bot.wiring import configured

ENV = {
    "PLANGATE_URL": "https://plangate.example.com",
    "PLANGATE_SECRET_KEY": "A" * 43 + "=",
    "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
    "PLANGATE_GITHUB_TOKEN": "token",
}
W = "workspaces:\n  - name: one\n    repo: acme/infra\n"


def load(folder: Path, text: str, **environ: str) -> Config:
    path = folder / "plangate.yml"
    path.write_text(text)
    return configured({**ENV, "PLANGATE_CONFIG": str(path), **environ})


def wrong(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **environ)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


def test_plain_texts_have_a_short_form(tmp_path: Path) -> None:
    config = load(tmp_path, W + "    variables: {region: eu-west-1, with-dash: ''}\n")
    assert config.variables.workspaces == {
        "one": (Variable("region", "eu-west-1"), Variable("with-dash", ""))
    }


def test_every_option_of_a_variable_and_of_a_set(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        W
        + """
    variables:
      - {key: zones, value: '["a"]', hcl: true, description: Where}
      - {key: TOKEN, category: env, sensitive: true, value_env: DNS_TOKEN}
variable_sets:
  - name: all
    global: true
    description: For all
    variables: {owner: platform}
  - {name: some, workspaces: [one, "net-*", one]}
""",
        DNS_TOKEN=" exactly this \n",
    )
    zones = Variable("zones", '["a"]', hcl=True, description="Where")
    token = Variable("TOKEN", " exactly this \n", Category.ENV, sensitive=True)
    assert config.variables.workspaces == {"one": (zones, token)}
    everyone, some = config.variables.sets
    assert (everyone.name, everyone.everywhere, everyone.description) == ("all", True, "For all")
    assert everyone.variables == (Variable("owner", "platform"),)
    assert (some.everywhere, some.workspaces, some.variables) == (False, ("one", "net-*"), ())


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("s3cret", "s3cret"),
        (" s3cret \n", " s3cret "),
        ("-----\nabc\n-----\n", "-----\nabc\n-----\n"),
        ("", ""),
    ],
)
def test_a_file_is_read_beside_plangate_yml_and_hidden_from_terraform(
    tmp_path: Path, content: str, value: str
) -> None:
    (tmp_path / "secret.txt").write_bytes(content.encode())
    entry = "    variables: [{key: token, sensitive: true, value_file: secret.txt}]\n"
    config = load(tmp_path, W + entry)
    assert config.variables.workspaces["one"][0].value == value
    assert tmp_path / "secret.txt" in config.secret_files


def test_no_value_shows_in_the_configuration(tmp_path: Path) -> None:
    text = W + "    variables: [{key: t, value_env: T, sensitive: true}]\n"
    assert "xyzzy" not in repr(load(tmp_path, text, T="xyzzy").variables)
    assert "xyzzy" not in repr(load(tmp_path, text, T="xyzzy"))


V = W + "    variables:\n      - "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (V + "key: a", "plangate.yml:5:9: workspaces[0].variables[0]: `a` has no value: write `value:`"),
        (V + "{key: a, value: }", "`a` has no value"),
        (
            V + "{key: a, value: x, value_env: X}",
            "plangate.yml:5:39: workspaces[0].variables[0].value_env: excludes `value`: keep one of them",
        ),
        (
            V + "{key: a, value: hunter2, sensitive: true}",
            "plangate.yml:5:25: workspaces[0].variables[0].value: a sensitive value does not belong in "
            "this file: put it into an environment variable and write `value_env: ITS_NAME`, or a file and",
        ),
        (
            V + "{key: a, value: ghp_0123456789}",
            "looks like a secret, and secrets don't belong in this file",
        ),
        (V + "{key: a, value: ghp_0123456789}", "write `value_env: ITS_NAME`"),
        (
            V + "{key: a, value: 123456}",
            ".value: must be text, not a number: put it in quotes",
        ),
        (V + "{key: a, value: yes}", ".value: must be text, not true: put it in quotes"),
        (V + "{key: a, vlaue: x}", ".vlaue: is not known here; did you mean `value`?"),
        (V + "{value: x}", "workspaces[0].variables[0].key: is missing: write `key: region`"),
        (
            V + "{key: a, value: x, category: environment}",
            ".category: `environment` is not known; use one of",
        ),
        (
            V + "{key: 1a, value: x}",
            ".key: '1a' is not a valid variable name: use letters, digits, _ and -",
        ),
        (V + "{key: count, value: x}", ".key: count is a word that Terraform keeps for itself"),
        (V + "{key: a-b, value: x, category: env}", "'a-b' is not a valid environment variable"),
        (V + "{key: LD_PRELOAD, value: x, category: env}", "LD_PRELOAD is set by Plangate itself"),
        (V + "{key: a, value: x, category: env, hcl: true}", ".hcl: is only for Terraform variables"),
        (V + "{key: a, value: x}\n      - {key: a, value: y}", "`a` appears twice in this list: keep one"),
        (V + "{key: a, value_env: UNSET}", ".value_env: UNSET is not set in the server's environment"),
        (V + "{key: a, value_env: the token}", ".value_env: must be the name of an environment variable"),
        (V + "{key: a, value_env: PLANGATE_SECRET_KEY}", "a setting of Plangate's own, which no run gets"),
        (V + "{key: a, value_env: DATABASE_URL}", "a setting of Plangate's own, which no run gets"),
        (V + "{key: a, value_file: nowhere}", "nowhere`: No such file or directory"),
        (
            W + "    variables: region",
            "must be a list of variables, each with `- key:`, or `name: text` for each",
        ),
        (
            W + "    variables: {a: 5}",
            "workspaces[0].variables.a: must be text, not a number: put it in quotes",
        ),
        (W + "    variables: {1a: x}", "workspaces[0].variables.1a: '1a' is not a valid variable name"),
        (
            "defaults:\n  variables: {a: x}\n" + W,
            "plangate.yml:2:3: defaults.variables: belongs to a workspace; for many at once write a set "
            "under `variable_sets:` with `global: true`",
        ),
        (W + "discover: [{repo: a/b, directories: [.], variables: {a: x}}]", "under `variable_sets:` with"),
        (W + "variables: {a: x}", "belongs to a workspace; for many at once write a set"),
        (W + "variable_sets: [{name: s}]", "variable_sets[0]: reaches no workspace: write `global: true`"),
        (W + "variable_sets: [{name: s, global: true, workspaces: [one]}]", "excludes `global: true`"),
        (W + "variable_sets: [{name: s, globl: true}]", ".globl: is not known here; did you mean `global`?"),
        (W + "variable_sets: [{name: s, everywhere: true}]", ".everywhere: is not known here"),
        (W + "variable_sets: [{name: a b, global: true}]", "'a b' is not a valid name of a set"),
        (
            W + "variable_sets: [{name: s, workspaces: ['a/b']}]",
            "'a/b' is not a workspace's name or a pattern",
        ),
        (
            W + "variable_sets: [{name: s, global: true}, {name: s, global: true}]",
            "variable_sets[1].name: `s` is the name of a set above",
        ),
        (W + "variable_sets: [{name: s, global: true, variables: [{key: a}]}]", "`a` has no value"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_its_fix(tmp_path: Path, text: str, says: str) -> None:
    found = wrong(tmp_path, text + "\n")
    assert any(says in line for line in found), found
    assert not any("hunter2" in line or "123456" in line for line in found)


def test_a_forges_secret_is_handed_to_no_run(tmp_path: Path) -> None:
    forge = "forges: {github: {kind: github, token_env: BOT, webhook_secret_env: HOOK}}\n"
    text = forge + W + "    variables: [{key: a, value_env: BOT, sensitive: true}]\n"
    (found,) = wrong(tmp_path, text, BOT="ghp_1", HOOK="h")
    assert "BOT is a forge's secret, which no run gets" in found


def test_a_value_that_is_too_large_is_refused(tmp_path: Path) -> None:
    text = W + "    variables: [{key: a, value_file: big}]\n"
    (tmp_path / "big").write_bytes(b"x" * (VALUE_BYTES + 1))
    assert "(256 KB) at most" in wrong(tmp_path, text)[0]
    (tmp_path / "big").write_bytes(b"x" * VALUE_BYTES)
    assert len(load(tmp_path, text).variables.workspaces["one"][0].value) == VALUE_BYTES


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in wrong(tmp_path, W + "    variables: [{key: a, value_file: odd}]\n")[0]


def test_the_example_and_the_schema_have_every_option() -> None:
    text = (Path(__file__).parents[3] / "examples" / "plangate.yml").read_text()
    definitions = json_schema(KINDS)["$defs"]
    for model in (VariableEntry, VariableSetEntry):
        for name, field in model.model_fields.items():
            option = field.alias or name
            assert f"{option}:" in text, option
            assert option in definitions[model.__name__]["properties"]


def test_one_environment_variable_has_a_value_for_each_phase(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        W
        + """
    variables:
      - {key: KEY, category: env, value: reads, phase: plan}
      - {key: KEY, category: env, value: writes, phase: apply}
""",
    )
    assert config.variables.workspaces == {
        "one": (
            Variable("KEY", "reads", Category.ENV, phase=Phase.PLAN),
            Variable("KEY", "writes", Category.ENV, phase=Phase.APPLY),
        )
    }


def test_a_phase_of_a_terraform_variable_is_refused(tmp_path: Path) -> None:
    [said] = wrong(tmp_path, W + "    variables:\n      - {key: size, value: '1', phase: apply}\n")
    assert "the saved plan holds its value" in said
    [said] = wrong(tmp_path, W + "    variables:\n      - {key: S, category: env, value: '1', phase: now}\n")
    assert "plan" in said
