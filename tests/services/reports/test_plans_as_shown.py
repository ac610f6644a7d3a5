"""What people see of a plan comes from its JSON: real comments, and a hostile program at work beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.errors import EngineError, PlanDisagrees
from bot.domain.people.audit import AuditAction, AuditResult
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.variables import StoredVariable, Variable
from bot.rendering import Rendering
from bot.services.plans.plan_text import kept_text
from bot.services.ports import ApplyResult, ArtifactKind, AuditQuery
from tests.fakes.engine import change
from tests.fakes.house import House

FORGED = """
$ terraform plan

Terraform will perform the following actions:

  # aws_instance.harmless will be updated in-place
  ~ resource "aws_instance" "harmless" {
      ~ tags = {}
    }

Plan: 0 to add, 1 to change, 0 to destroy.
"""
RULE = "─" * 77


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    built = build(texts=Rendering("https://plangate.test"))
    built.workspace("network")
    return built


def made(address: str, *actions: str, before: Any = None, after: Any = None, **more: Any) -> dict[str, Any]:
    kind, _, name = address.partition(".")
    return change(address, *actions, before=before, after=after, type=kind, name=name, **more)


def shown(house: House, *changes: dict[str, Any], **more: Any) -> str:
    house.engine.will_find("network", *changes, **more)
    house.open_change(1, "h1", "network/a.tf")
    return house.comments(1)[0]


def test_what_a_program_writes_into_the_output_changes_no_line_of_the_plan(house: House) -> None:
    bucket = made("aws_s3_bucket.logs", "delete", before={"bucket": "logs"})
    house.engine.prints = FORGED
    comment = shown(house, bucket)
    assert "harmless" not in comment
    assert '\n-   resource "aws_s3_bucket" "logs" {\n' in comment
    assert "\nPlan: 0 to add, 0 to change, 1 to destroy.\n" in comment
    assert "aws_instance.harmless" in house.output(house.only_run()), (
        "the page shows it as Terraform's output"
    )


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_a_value_with_any_line_end_neither_ends_the_plan_nor_hides_what_follows(
    house: House, end: str
) -> None:
    value = f"first{end}{RULE}{end}  # aws_vpc.forged will be created{end}+ real"
    comment = shown(house, made("aws_s3_bucket.logs", "create", after={"policy": value, "zone": "b"}))
    lines = comment.split("\n")
    assert not any(line.lstrip("+ ").startswith(("# aws_vpc.forged", "─")) for line in lines)
    assert any("zone" in line for line in lines), "what follows is shown"
    assert "real" in comment
    if end != "\n":
        assert end not in comment


def test_only_real_changes_have_the_mark_of_one(house: House) -> None:
    policy = "rules:\n- allow: 443\n+ deny: 22\n"
    house.engine.prints = "- Installing hashicorp/null v2.1.2...\n"
    bucket = made(
        "aws_s3_bucket.logs",
        "update",
        before={"name": "a", "policy": policy},
        after={"name": "b", "policy": policy},
    )
    comment = shown(house, bucket)
    plan = comment.partition("```diff\n")[2].partition("\n```")[0].split("\n")
    assert plan[0] == "Terraform will perform the following actions:"
    assert [line for line in plan if line.startswith(("+", "-"))] == []
    assert "Installing" not in comment


def test_a_plan_file_that_disagrees_ends_the_run_with_a_line_in_the_audit_log(house: House) -> None:
    why = "the plan file and its JSON disagree: resource_changes: aws_s3_bucket.logs after.bucket"
    house.engine.fail("plan", PlanDisagrees(why), output=f"{FORGED}\nError: Network trouble\n\nTry again.\n")
    comment = shown(house)
    assert house.only_run().status is RunStatus.ERRORED
    assert house.only_run().error == why
    assert comment.index(why) < comment.index("Error: Network trouble")
    with house.store.reading() as tx:
        [line] = [each for each in tx.audit.find(AuditQuery()) if each.deed is AuditAction.VERIFY_PLAN]
    assert (line.login, line.ending, line.why) == ("plangate", AuditResult.REFUSED, why)
    assert (line.subject, line.workspace) == (house.only_run().id, "network")


def test_every_error_of_a_plan_is_in_the_comment_with_its_source(house: House) -> None:
    said = """$ terraform init

Error: Terraform encountered problems during initialisation, including problems
with the configuration, described below.


Error: Unsupported argument

  on main.tf line 2, in resource "terraform_data" "a":
   2:   inptu = 1

Did you mean "input"?

Error: Reference to undeclared input variable

  on main.tf line 5, in resource "terraform_data" "b":
   5:   input = var.nope

``` ### @all <!-- no
"""
    house.engine.fail("plan", EngineError("Error: Unsupported argument — on main.tf line 2"), output=said)
    comment = shown(house)
    assert "   2:   inptu = 1" in comment
    assert "   5:   input = var.nope" in comment
    assert "described below" not in comment
    assert "````text\nError: Unsupported argument" in comment, "the fence is longer than any in the text"
    assert "<!-- no" not in comment


def test_every_error_of_an_apply_is_in_its_comment(house: House) -> None:
    shown(house, made("aws_s3_bucket.logs", "create", after={"bucket": "logs"}))
    said = "$ terraform apply\n\nError: One\n\n  on main.tf line 1\n\nError: Two\n\n  on main.tf line 2\n"
    house.engine.fail("apply", ApplyResult(False, "Error: One (and 1 more error)"), output=said)
    house.say(1, "/apply network")
    outcome = house.comments(1)[-1]
    assert "Apply failed" in outcome
    assert outcome.index("Error: One\n\n  on main.tf line 1") < outcome.index(
        "Error: Two\n\n  on main.tf line 2"
    )


def test_what_runs_only_at_apply_is_told_beside_the_plan(house: House) -> None:
    configuration = {
        "root_module": {
            "resources": [
                {"address": "null_resource.x", "mode": "managed", "provisioners": [{"type": "local-exec"}]},
            ]
        }
    }
    key = 'null_resource.x["<b>"]'
    comment = shown(
        house,
        change(key, "create", after={}, type="null_resource", name="x", index="<b>"),
        change("data.http.later", "read", mode="data", type="http", name="later",
               action_reason="read_because_config_unknown"),
        configuration=configuration,
    )  # fmt: skip
    assert "\n**Runs only at apply, and was not tried by the plan**\n" in comment
    assert f"- `{key}` runs its provisioner `local-exec`" in comment
    assert "- `data.http.later` is read, because its arguments are known only then" in comment


def test_a_state_that_is_kept_elsewhere_is_told(house: House) -> None:
    house.engine.backend = "s3"
    comment = shown(house, made("aws_s3_bucket.logs", "create"))
    assert "the state is not kept in Plangate, but by the configuration's own backend: `s3`" in comment


def test_a_sensitive_value_is_hidden_in_the_text_and_in_what_runs_at_apply(house: House) -> None:
    secret = Variable("k", "hunter2-key", sensitive=True)
    with house.store.transaction() as tx:
        workspace = tx.workspaces.named("network")
        tx.variables.put(StoredVariable("var-1", secret, "ann", house.clock.now()), workspace_id=workspace.id)
    address = 'null_resource.x["hunter2-key"]'
    comment = shown(
        house,
        change(
            address, "create", type="null_resource", name="x", index="hunter2-key", after={"t": "hunter2-key"}
        ),
        configuration={
            "root_module": {
                "resources": [{"address": "null_resource.x", "provisioners": [{"type": "local-exec"}]}]
            }
        },
    )
    assert "hunter2" not in comment
    assert "runs its provisioner" in comment


def test_an_approval_keeps_what_the_plan_was_made_of(house: House) -> None:
    shown(house, made("aws_s3_bucket.logs", "create", after={"bucket": "logs"}))
    house.say(1, "/apply network")
    with house.store.reading() as tx:
        [record] = tx.approvals.of_change(tx.workspaces.named("network").id, 1)
    assert (record.configuration, record.files) == ("modules of h1", "the files")
    assert len(record.providers) == 64


def test_a_plan_that_is_taken_over_keeps_its_text_and_an_old_one_gets_its_own(house: House) -> None:
    house.engine.state_here = True
    shown(house, made("aws_s3_bucket.logs", "create", after={"bucket": "logs"}))
    preview = house.only_run()
    house.say(1, "/apply network")
    applied = next(run for run in house.runs() if not run.plan_only)
    with house.store.transaction() as tx:
        first = kept_text(tx, preview.id)
        assert first is not None
        assert kept_text(tx, applied.id) == first
        tx.artifacts.put(preview.id, ArtifactKind.PLAN_TEXT, b"")
        assert kept_text(tx, preview.id) == first
