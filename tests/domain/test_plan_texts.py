"""The part of Terraform's output that people read, from what Terraform really says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.plan_text import apply_text, error_text, plan_text, tail

PAYLOADS = Path(__file__).parents[1] / "payloads" / "terraform"


def said(name: str) -> str:
    return (PAYLOADS / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("create", "  # terraform_data.first will be created", '  + size = "small"'),
        ("replace", "  # terraform_data.first will be updated in-place", '  ~ size = "small" -> "large"'),
        ("destroy", "  # terraform_data.first will be destroyed", '  - size = "other" -> null'),
        ("move", "  # terraform_data.first has moved to terraform_data.one", None),
        ("outputs", "Changes to Outputs:", None),
    ],
)
def test_a_plan_s_text_is_what_it_does_and_nothing_around_it(name: str, first: str, last: str | None) -> None:
    text = plan_text(said(name))
    lines = text.splitlines()
    assert lines[0] == first
    assert last is None or lines[-1] == last
    assert "Saved the plan to" not in text
    assert "Refreshing state" not in text
    assert "─" not in text


def test_what_came_before_the_plan_and_what_comes_after_its_rule_is_left_out() -> None:
    output = "Terraform 1.15 in a sandbox\n$ terraform init\n" + said("create") + "\n$ terraform show\n"
    assert plan_text(output) == plan_text(said("create"))


def test_an_engine_of_another_name_says_it_the_same_way() -> None:
    as_tofu = said("create").replace("Terraform will perform", "OpenTofu will perform")
    assert plan_text(as_tofu) == plan_text(said("create"))


def test_a_resource_can_not_end_the_plan_s_text_with_a_rule_of_its_own() -> None:
    forged = said("create").replace('+ input  = "small"', '+ input  = "─────────────────────────"')
    assert plan_text(forged).splitlines()[-1] == '  + size = "small"'


@pytest.mark.parametrize("name", ["nochange", "error"])
def test_where_there_is_no_plan_there_is_no_text(name: str) -> None:
    assert plan_text(said(name)) == ""
    assert plan_text("") == ""


def test_an_error_s_text_begins_with_the_first_error_and_holds_them_all() -> None:
    text = error_text("Initializing...\n" + said("error"))
    assert text.startswith("Error: Reference to undeclared input variable")
    assert text.count("Error: ") == 2
    assert text.endswith("root module.")


def test_the_frame_around_errors_is_left_out() -> None:
    framed = "╷\n│ Error: No region\n│ \n│   on main.tf line 2:\n╵\n"
    assert error_text(framed) == "Error: No region\n\n  on main.tf line 2:"


@pytest.mark.parametrize("name", ["nochange", "create"])
def test_where_there_is_no_error_there_is_no_text_of_one(name: str) -> None:
    assert error_text(said(name)) == ""


def test_a_tail_is_the_last_lines() -> None:
    assert tail("a\nb\nc\n\n", 2) == "b\nc"
    assert tail("", 2) == ""


def test_the_text_of_an_apply_begins_behind_its_init() -> None:
    output = "$ terraform init\nReady.\n\n$ terraform apply\na.b: Creating...\n"
    assert apply_text(output) == "a.b: Creating...\n"
    assert apply_text(output.replace("terraform", "tofu")) == "a.b: Creating...\n"
    assert apply_text(output + "$ terraform apply\n") == "a.b: Creating...\n$ terraform apply\n"
    assert apply_text("$ terraform init\nError: no network\n") == "$ terraform init\nError: no network\n"
