"""Parts of a plan's text that plans of a real Terraform seldom have: each from JSON as the format has it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.plan_diff import Kind, render
from bot.domain.runs.masking import TextMasker
from tests.fakes.engine import change, plan_json


def resource(name: str, *actions: str, **more: Any) -> dict[str, Any]:
    marks = {key: more.pop(key) for key in ("importing", "generated_config", "replace_paths") if key in more}
    item = change(f"a.{name}", *actions, type="a", name=name, **more)
    item["change"].update(marks)
    return item


def text(*items: dict[str, Any], **more: Any) -> str:
    return render(plan_json(*items, **more)).diff()


def test_an_object_that_changed_outside_is_shown_first() -> None:
    drift = resource("x", "update", before={"id": "1", "size": 1}, after={"id": "1", "size": 2})
    shown = text(resource("y", "create", after={"n": 1}), resource_drift=[drift]).split("\n")
    assert shown[:7] == [
        "Note: Objects have changed outside of Terraform",
        "",
        "  # a.x has changed",
        '! ~ resource "a" "x" {',
        '        id   = "1"',
        "!     ~ size = 1 -> 2",
        "    }",
    ]


def test_deferred_changes_say_why() -> None:
    item = resource("x", "create", after={"n": 1})
    shown = text(deferred_changes=[{"reason": "instance_count_unknown", "resource_change": item}])
    assert "  # a.x was deferred\n  # (because the number of resource instances is unknown)\n" in shown
    assert '+   resource "a" "x" {\n+       n = 1' in shown


def test_actions_stand_below_the_change_that_triggers_them() -> None:
    def invocation(name: str, event: str) -> dict[str, Any]:
        trigger = {"triggering_resource_address": "a.x", "action_trigger_event": event}
        config = {"to": "ops", "token": "S3CRET"}
        about = {"address": f"action.t.{name}", "type": "t", "name": name, "config_values": config}
        return {**about, "lifecycle_action_trigger": trigger, "config_sensitive": {"token": True}}

    alone = {"address": "action.t.c", "type": "t", "name": "c", "invoke_action_trigger": {}}
    invocations = [invocation("a", "AfterCreate"), invocation("b", "BeforeCreate"), alone]
    plan = render(plan_json(resource("x", "create", after={"n": 1}), action_invocations=invocations))
    assert plan.summary == "Plan: 1 to add, 0 to change, 0 to destroy. Actions: 3 to invoke."
    shown = plan.diff()
    assert shown.index("invoked before this change") < shown.index("# action.t.b")
    assert (
        shown.index("# action.t.b") < shown.index("invoked after this change") < shown.index("# action.t.a")
    )
    assert (
        '        config {\n            to    = "ops"\n            token = (sensitive value)\n        }'
        in shown
    )
    assert "Terraform will invoke the following action(s):\n\n  # action.t.c will be invoked" in shown
    assert "S3CRET" not in shown


def test_an_action_whose_resource_is_not_listed_is_not_lost() -> None:
    trigger = {"triggering_resource_address": "a.gone", "action_trigger_event": "AfterUpdate"}
    invocation = {"address": "action.t.a", "type": "t", "name": "a", "lifecycle_action_trigger": trigger}
    assert "# action.t.a will be invoked (called from a.gone)" in text(action_invocations=[invocation])


def test_generated_configuration_is_shown_behind_a_gutter() -> None:
    item = resource("x", "no-op", before={"n": 1}, after={"n": 1}, importing={"id": "i"},
                    generated_config='resource "a" "x" {\n  n = 1\n}\n')  # fmt: skip
    shown = text(item)
    assert '  # a.x will be imported\n  # (config will be generated)\n  # (imported from "i")\n' in shown
    assert (
        '    # Generated configuration:\n        | resource "a" "x" {\n        |   n = 1\n        | }'
        in shown
    )


def test_a_replacement_of_what_is_imported_warns() -> None:
    shown = text(resource("x", "delete", "create", before={}, after={}, importing={"id": "i"}))
    assert "  # Warning: this will destroy the imported resource\n" in shown


def test_a_replacement_that_forgets_the_old_object_says_so() -> None:
    shown = text(resource("x", "create", "forget", before={"n": 1}, after={"n": 2}))
    assert "# a.x must be replaced, but the existing object will not be destroyed" in shown
    assert '! +/. resource "a" "x" {' in shown


def test_paths_that_force_a_replacement_are_named_where_they_are() -> None:
    item = resource("x", "delete", "create", before={"net": [{"ip": "1", "mac": "a"}]},
                    after={"net": [{"ip": "2", "mac": "a"}]}, replace_paths=[["net", 0, "ip"]])  # fmt: skip
    shown = text(item)
    assert '!             ~ ip  = "1" -> "2" # forces replacement' in shown
    assert shown.count("# forces replacement") == 1


def test_write_only_arguments_are_named_without_a_value() -> None:
    item = resource("x", "create", after={"name": "n", "password_wo": None, "token": None, "other": None})
    expressions = {
        "name": {"constant_value": "n"},
        "password_wo": {"references": ["var.p"]},
        "token": {"constant_value": "t"},
        "other": {"references": ["var.maybe_null"]},
    }
    module = {"resources": [{"type": "a", "name": "x", "expressions": expressions}]}
    shown = text(item, configuration={"root_module": module})
    assert [line for line in shown.split("\n") if "write-only" in line] == [
        "+       password_wo = (write-only attribute)",
        "+       token = (write-only attribute)",
    ]


def test_the_words_of_opentofu() -> None:
    item = resource("x", "forget", before={"n": 1})
    shown = render(plan_json(item), program="OpenTofu").diff()
    assert "# a.x will no longer be managed by OpenTofu, but will not be destroyed" in shown


def test_a_plan_with_an_error_says_so() -> None:
    assert "planned the following actions, but then encountered a problem" in text(
        resource("x", "create", after={}), errored=True
    )


@pytest.mark.parametrize("kind", [Kind.CHANGES, Kind.OUTPUTS])
def test_parts_and_their_entries_can_be_taken_alone(kind: Kind) -> None:
    plan = render(plan_json(resource("x", "create", after={"n": 1}), outputs={"x": ["create"]}))
    part = plan.part(kind)
    assert part is not None
    assert [entry.address for entry in part.entries] == [{"changes": "a.x", "outputs": "x"}[kind]]
    assert plan.part(Kind.DRIFT) is None


def test_secrets_that_terraform_does_not_know_are_hidden_and_told_apart() -> None:
    hide = TextMasker(["hunter-2", "hunter-3"]).hide
    before, after = {"x": "a hunter-2", "k hunter-2": "1"}, {"x": "a hunter-3", "k hunter-2": "1\nhunter-2"}
    shown = render(plan_json(resource("x", "update", before=before, after=after)), hide=hide).diff()
    assert "hunter" not in shown
    assert 'x       = "a ***" -> "a ***" # the secrets in it differ' in shown


def test_json_with_a_secret_in_it_is_still_compared_inside() -> None:
    hide = TextMasker(["hunter-2", "hunter-3"]).hide
    before, after = ('{"a": 1, "k": "hunter-2"}', '{"a": 2, "k": "hunter-3"}')
    shown = render(
        plan_json(resource("x", "update", before={"j": before}, after={"j": after})), hide=hide
    ).diff()
    assert "!             ~ a = 1 -> 2" in shown
    after = before.replace("hunter-2", "hunter-3")
    shown = render(
        plan_json(resource("x", "update", before={"j": before}, after={"j": after})), hide=hide
    ).diff()
    assert "!     ~ j = jsonencode( # the secrets in it differ" in shown


def test_a_text_whose_last_line_ends_differs_from_one_whose_does_not() -> None:
    shown = text(resource("x", "update", before={"t": "a\nb\n"}, after={"t": "a\nb"}))
    assert "+           # (no newline at the end)" in shown


def test_spaces_at_the_end_of_a_line_can_be_seen() -> None:
    shown = text(resource("x", "update", before={"t": "a\nb\n"}, after={"t": "a\nb \n"}))
    assert "-           | b\n+           | b\\u0020\n" in shown
