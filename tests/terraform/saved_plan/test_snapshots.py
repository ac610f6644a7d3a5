"""The configuration in a saved plan is the commit's, and what runs only at apply is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.domain.plans.at_apply import AtApply, RunsAtApply, runs_at_apply
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan import (
    SavedPlan,
    configuration_hash,
    decode,
    remote_modules,
    snapshot_matches,
)
from tests.terraform.saved_plan.corpus import CASES, recorded_case
from tests.terraform.saved_plan.rewriting import with_member


def plan(case: str) -> SavedPlan:
    return decode(recorded_case(case).saved)


def files(case: str, folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{name}": text.encode() for name, text in CASES[case].now.items()}


@pytest.mark.parametrize("case", ["update", "keys", "overrides", "providers", "data", "sensitive"])
def test_a_snapshot_is_the_commit_that_the_plan_was_made_of(case: str) -> None:
    assert snapshot_matches(plan(case), files(case)) == []
    assert snapshot_matches(plan(case), files(case, "infra/prod/"), "infra/prod") == []


def test_files_that_are_no_configuration_do_not_count() -> None:
    more = {"README.md": b"x", ".hidden.tf": b"x", "main.tf~": b"x", "#main.tf#": b"x", "other/main.tf": b"x"}
    assert snapshot_matches(plan("keys"), {**files("keys"), **more}) == []


def test_a_file_that_differs_is_missing_or_is_one_too_many_is_told() -> None:
    saved = plan("overrides")
    changed = {**files("overrides"), "main.tf": b"# other"}
    assert [str(item) for item in snapshot_matches(saved, changed)] == ["snapshot: main.tf"]
    without = {name: text for name, text in files("overrides").items() if "override" not in name}
    assert [str(item) for item in snapshot_matches(saved, without)] == ["snapshot: zzz_plangate_override.tf"]
    more = {**files("overrides"), "more.tf": b""}
    assert [str(item) for item in snapshot_matches(saved, more)] == ["snapshot: more.tf"]
    deeper = {**files("keys"), "modules/m/deeper/main.tf": b"# other"}
    assert [str(item) for item in snapshot_matches(plan("keys"), deeper)] == [
        "snapshot: modules/m/deeper/main.tf"
    ]


def _manifest(case: str, **records: dict[str, str]) -> SavedPlan:
    found = recorded_case(case)
    modules = [
        {"Key": m.key, "Source": m.source, "Dir": m.directory, **records.get(m.key.replace(".", "_"), {})}
        for m in decode(found.saved).snapshot
    ]
    return decode(with_member(found.saved, "tfconfig/modules.json", json.dumps(modules).encode()))


def test_a_local_module_must_lie_where_its_source_says() -> None:
    moved = _manifest("keys", m={"Dir": ".terraform/modules/m"})
    assert [item.where for item in snapshot_matches(moved, files("keys"))] == [
        "snapshot: directory of module 'm'",
        "snapshot: directory of module 'm.deeper'",
    ]


def test_a_local_module_outside_of_the_commit_is_told() -> None:
    outside = _manifest("keys", m={"Source": "../x", "Dir": "../x"}, m_deeper={"Dir": "../x/deeper"})
    found = snapshot_matches(outside, files("keys"))
    assert [item.where.endswith("is outside of the commit") for item in found] == [True, True]
    above = {**files("keys", "a/"), "x/main.tf": CASES["keys"].now["modules/m/main.tf"].encode()}
    above["x/deeper/main.tf"] = CASES["keys"].now["modules/m/deeper/main.tf"].encode()
    assert snapshot_matches(outside, above, "a") == []


def test_modules_from_elsewhere_are_told_apart_and_compared_with_what_was_installed() -> None:
    saved = _manifest("keys", m={"Source": "registry.terraform.io/a/m/b", "Dir": ".terraform/modules/m"})
    # What a remote module calls by a relative path came with it.
    assert [module.key for module in remote_modules(saved)] == ["m", "m.deeper"]
    assert snapshot_matches(saved, files("keys")) == []
    installed = {"m": {"main.tf": b"# other"}}
    assert [str(item) for item in snapshot_matches(saved, files("keys"), installed=installed)] == [
        "snapshot: .terraform/modules/m/main.tf"
    ]
    assert remote_modules(plan("keys")) == ()


def test_the_hash_of_a_configuration_is_that_of_its_files_sources_and_places() -> None:
    assert configuration_hash(plan("keys")) == configuration_hash(plan("destroy"))
    others = [
        configuration_hash(_manifest("keys", m={"Source": "./other"})),
        configuration_hash(_manifest("keys", m={"Dir": "other"})),
        configuration_hash(
            decode(with_member(recorded_case("keys").saved, "tfconfig/m-/main.tf", b"# other"))
        ),
        configuration_hash(decode(with_member(recorded_case("keys").saved, "tfconfig/m-/b.tf", b""))),
    ]
    assert len({configuration_hash(plan("keys")), *others}) == 5


def test_the_hash_is_the_same_with_each_version_of_terraform() -> None:
    older = decode(recorded_case("keys", "terraform-1.11").saved)
    assert configuration_hash(older) == configuration_hash(plan("keys"))


def test_to_opentofu_a_tofu_file_stands_in_for_its_namesake() -> None:
    found = recorded_case("update")
    data = with_member(found.saved, "tfconfig/m-/main.tofu", b"# tofu")
    saved = decode(with_member(data, "tfconfig/m-/main.tf", None))
    as_tofu = SavedPlan(
        **{**{name: getattr(saved, name) for name in saved.__slots__}, "kind": EngineKind.TOFU}
    )
    committed = {**files("update"), "main.tofu": b"# tofu"}
    assert snapshot_matches(as_tofu, committed) == []
    assert [str(item) for item in snapshot_matches(saved, committed)] == [
        "snapshot: main.tf",
        "snapshot: main.tofu",
    ]


# --- what runs at apply -------------------------------------------------------------------------------------


def test_provisioners_are_listed_for_each_resource_that_is_made() -> None:
    assert runs_at_apply(json.loads(recorded_case("provisioners").shown)) == (
        RunsAtApply(AtApply.PROVISIONER, "module.m.terraform_data.q", "local-exec"),
        RunsAtApply(AtApply.PROVISIONER, "null_resource.p", "local-exec"),
    )


def test_data_sources_that_are_read_later_are_listed_with_the_reason() -> None:
    found = runs_at_apply(json.loads(recorded_case("data").shown))
    assert found == (
        RunsAtApply(AtApply.DATA, "data.null_data_source.later", "read_because_config_unknown"),
        RunsAtApply(AtApply.DATA, "data.null_data_source.waits", "read_because_dependency_pending"),
    )


def test_actions_ephemeral_resources_and_deferred_changes_are_listed() -> None:
    trigger = {"action_trigger_event": "AfterCreate", "triggering_resource_address": "a.b"}
    document: dict[str, Any] = {
        "action_invocations": [
            {"address": "action.x.y", "lifecycle_action_trigger": trigger},
            {"address": "action.x.z", "invoke_action_trigger": {}},
        ],
        "deferred_changes": [{"reason": "absent_prereq", "resource_change": {"address": "c.d"}}],
        "configuration": {
            "root_module": {
                "module_calls": {
                    "m": {"module": {"resources": [{"address": "ephemeral.e.f", "mode": "ephemeral"}]}}
                }
            }
        },
    }
    assert runs_at_apply(document) == (
        RunsAtApply(AtApply.ACTION, "action.x.y", "AfterCreate of a.b"),
        RunsAtApply(AtApply.ACTION, "action.x.z", "invoked"),
        RunsAtApply(AtApply.DEFERRED, "c.d", "absent_prereq"),
        RunsAtApply(AtApply.EPHEMERAL, "module.m.ephemeral.e.f", "opened again"),
    )


def test_a_plan_without_any_of_it_lists_nothing() -> None:
    assert runs_at_apply(json.loads(recorded_case("update").shown)) == ()
