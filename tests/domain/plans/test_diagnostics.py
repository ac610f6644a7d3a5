"""Errors and warnings, from what Terraform really says: 1.11 and 1.15."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.plans.diagnostics import apply_text, diagnostics, errors_text, tail, warnings_text

PAYLOADS = Path(__file__).parents[2] / "payloads" / "terraform"
VERSIONS = ["1.11", "1.15"]


def said(name: str) -> str:
    return (PAYLOADS / f"{name}.txt").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_error_of_an_init_is_told_whole_and_once_without_the_preface(version: str) -> None:
    text = errors_text("$ terraform init\n" + said(f"init_errors_{version}"))
    assert text.split("\n") == [
        'Error: Duplicate resource "terraform_data" configuration',
        "",
        "  on main.tf line 4:",
        '   4: resource "terraform_data" "a" {}',
        "",
        'A terraform_data resource named "a" was already declared at main.tf:1,1-30.',
        "Resource names must be unique per type in each module.",
        "",
        "Error: Invalid type specification",
        "",
        '  on main.tf line 5, in variable "v":',
        '   5: variable "v" { type = strin }',
        "",
        'The keyword "strin" is not a valid type specification.',
        "",
        "Error: Missing required argument",
        "",
        '  on main.tf line 6, in output "a":',
        '   6: output "a" {}',
        "",
        'The argument "value" is required, but no definition was found.',
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_of_a_plan_are_told_apart_from_its_warnings(version: str) -> None:
    output = f"$ terraform init\nReady.\n\n$ terraform plan\n{said(f'plan_errors_{version}')}"
    errors = [each.text for each in diagnostics(output) if each.severity == "Error"]
    assert [each.split("\n")[0] for each in errors] == ["Error: Resource precondition failed"] * 2
    assert errors[0].endswith("n must be > 5\nError: forged | @all"), "a message is no error of its own"
    assert "  15:       condition = var.n > 6\n" in errors[1]
    assert warnings_text(output).startswith("Warning: Check block assertion failed\n\n  on main.tf line 22")
    assert warnings_text(output).endswith("\n\nwarned")


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_of_an_apply_are_those_of_terraform_and_not_what_a_program_printed(version: str) -> None:
    text = errors_text(said(f"apply_errors_{version}"))
    assert text.count("Error: local-exec provisioner error") == 2
    assert "Provisioning with" not in text
    assert 'provisioner "local-exec" { command = "echo hi; exit 3" }' in text


def test_a_preface_that_stands_alone_is_better_than_nothing() -> None:
    preface = "Error: Terraform encountered problems during initialisation, described below."
    assert errors_text(preface) == preface
    assert errors_text(f"{preface}\n\nWarning: Odd\n") == preface


def test_an_error_s_text_begins_with_the_first_error_and_holds_them_all() -> None:
    text = errors_text("Initializing...\n" + said("error"))
    assert text.startswith("Error: Reference to undeclared input variable")
    assert text.count("Error: ") == 2
    assert text.endswith("root module.")


def test_an_error_behind_a_line_that_was_not_ended_is_found() -> None:
    assert errors_text("Downloading...Error: x\nError: no network") == "Error: no network"


def test_the_frame_around_errors_is_left_out() -> None:
    framed = "╷\n│ Error: No region\n│ \n│   on main.tf line 2:\n╵\n"
    assert errors_text(framed) == "Error: No region\n\n  on main.tf line 2:"


@pytest.mark.parametrize(
    "end", ["─" * 77, "$ terraform apply", "Apply complete! Resources: 1 added, 0 changed, 0 destroyed."]
)
def test_a_warning_ends_where_other_output_begins(end: str) -> None:
    output = f"\nWarning: Deprecated\n\nUse another.\n\n{end}\n\nSaved the plan to: plan\n"
    assert warnings_text(output) == "Warning: Deprecated\n\nUse another."


@pytest.mark.parametrize("name", ["nochange", "create"])
def test_where_there_is_no_error_there_is_no_text_of_one(name: str) -> None:
    assert errors_text(said(name)) == ""


def test_a_tail_is_the_last_lines() -> None:
    assert tail("a\nb\nc\n\n", 2) == "b\nc"
    assert tail("", 2) == ""


def test_the_text_of_an_apply_begins_behind_its_init() -> None:
    output = "$ terraform init\nReady.\n\n$ terraform apply\na.b: Creating...\n"
    assert apply_text(output) == "a.b: Creating...\n"
    assert apply_text(output.replace("terraform", "tofu")) == "a.b: Creating...\n"
    assert apply_text(output + "$ terraform apply\n") == "a.b: Creating...\n$ terraform apply\n"
    assert apply_text("$ terraform init\nError: no network\n") == "$ terraform init\nError: no network\n"
