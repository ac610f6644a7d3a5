"""Warnings and drift are told from the plan itself."""

from __future__ import annotations

from bot.domain.plans.diagnostics import errors_text, warnings_text
from bot.domain.plans.plan import ResourceChange, read_plan

OUTPUT = """
Terraform will perform the following actions:

  # terraform_data.a will be created
  + resource "terraform_data" "a" {
      + input = "╷"
    }

Plan: 1 to add, 0 to change, 0 to destroy.
╷
│ Warning: Argument is deprecated
│
│   with terraform_data.a,
│   on main.tf line 3:
│    3:   acl = "private"
│
│ Use another.
╵
╷
│ Warning: Values for undeclared variables
╵

─────────────────────────────────────────────────────────────────────────────

Saved the plan to: plan
"""


def test_warnings_without_their_frames() -> None:
    assert warnings_text(OUTPUT).split("\n") == [
        "Warning: Argument is deprecated",
        "",
        "  with terraform_data.a,",
        "  on main.tf line 3:",
        '   3:   acl = "private"',
        "",
        "Use another.",
        "",
        "Warning: Values for undeclared variables",
    ]


def test_an_error_is_no_warning_and_a_frame_may_be_cut_off() -> None:
    assert warnings_text("╷\n│ Error: no\n╵\n╷\n│ Warning: cut off") == "Warning: cut off"
    assert errors_text("╷\n│ Error: no\n╵") == "Error: no"


def test_what_changed_outside_is_read_with_what_became_of_it() -> None:
    drift = [
        {"address": "a.b", "change": {"actions": ["update"]}},
        {"address": "a.c", "change": {"actions": ["delete"]}},
        {},
    ]
    plan = read_plan({"format_version": "1.2", "resource_drift": drift})
    assert plan.drift == (
        ResourceChange("a.b", ("update",)),
        ResourceChange("a.c", ("delete",)),
        ResourceChange("", ()),
    )
    assert plan.drifted == 3
