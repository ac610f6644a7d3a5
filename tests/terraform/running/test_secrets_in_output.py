"""No sensitive value shows in what Terraform says, in whatever form it says it (promise 6).

The configuration here does not call its variables sensitive: then Terraform itself would hide them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bot.domain.errors import EngineError
from bot.domain.workspaces.variables import Category, Variable
from tests.terraform.conftest import Onlooker, Rig

TOKEN = "xyzzy-token-42"
KEY = '-----BEGIN KEY-----\nfirst "quoted" line\nsecond \\ rearward <tag> & ${more}\n-----END KEY-----\n'
PHRASE = "correct horse battery staple correct donkey accumulator paperclip"
DOCUMENT = '{"client_id": "public-enough", "private": {"password": "hunter2-hunter2"}}'
LIST = '["alpha-secret", "beta-secret"]'
SECRETS = (
    Variable("token", TOKEN, sensitive=True),
    Variable("key", KEY, sensitive=True),
    Variable("phrase", PHRASE, sensitive=True),
    Variable("document", DOCUMENT, sensitive=True),
    Variable("list", LIST, hcl=True, sensitive=True),
    Variable("TOKEN_OF_ENV", "xyzzy-env-43", Category.ENV, sensitive=True),
    Variable("shown", "plainly visible"),
)
TRACES = [
    TOKEN,
    "xyzzy",
    *("quoted", "second", "rearward", "BEGIN KEY"),
    *("horse battery", "battery staple", "donkey", "accumulator"),
    "hunter2",
    *("alpha-secret", "beta-secret"),
]
DECLARED = """
variable "token" { type = string }
variable "key" { type = string }
variable "phrase" { type = string }
variable "document" { type = string }
variable "list" { type = list(string) }
variable "shown" { type = string }
"""
LEAKING = (
    DECLARED
    + """
output "token" { value = "<${var.token}>" }
output "key" { value = var.key }
output "key_in_json" { value = jsonencode({ key = var.key, twice = jsonencode(var.key) }) }
output "key_in_base64" { value = base64encode(var.key) }
output "in_an_address" { value = urlencode(var.phrase) }
output "document" { value = var.document }
output "list" { value = var.list }
output "shown" { value = var.shown }
resource "terraform_data" "keys" {
  for_each = toset([var.token])
  input    = { key = var.key, document = var.document, phrase = var.phrase }
}
resource "terraform_data" "says" {
  provisioner "local-exec" {
    # In pieces, with time between them; and the variable of the environment by its own name.
    command = <<-EOT
      printf %s "$ONE"; sleep 0.3; printf '%s\\n' "$TWO"
      echo ${var.token}; echo $TOKEN_OF_ENV; printf %s "$KEY"
    EOT
    environment = {
      ONE = substr(var.token, 0, 5)
      TWO = substr(var.token, 5, -1)
      KEY = var.key
    }
  }
}
"""
)


def traces(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


def test_no_output_of_a_plan_and_an_apply_shows_a_sensitive_value(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine, job, watch = rig.engine(), rig.job(LEAKING, variables=SECRETS), onlooker()
    engine.fetch(job, watch)
    plan = engine.plan(job, watch)
    done = engine.apply(job, plan, watch)
    assert done.succeeded, watch.text
    assert traces(watch.text) == []
    assert 'terraform_data.keys["***"]' in watch.text
    assert re.search(r"\(local-exec\): \*\*\*", watch.text)
    assert "plainly visible" in watch.text
    assert TOKEN.encode() in plan.plan_json, "what is applied has the values; it is kept encrypted"


CHECKED = (
    DECLARED
    + """
resource "terraform_data" "checked" {
  input = var.shown
  lifecycle {
    precondition {
      condition     = var.shown == "another"
      error_message = "%s"
    }
  }
}
"""
)


@pytest.mark.parametrize(
    "message",
    [
        "no good: ${var.token}",
        "The phrase is not what was wanted here, for it is: ${var.phrase}, which nobody likes at all.",
        "The key is ${var.key}.",
        "In JSON it is ${jsonencode(var.key)}.",
    ],
)
def test_no_error_shows_a_sensitive_value(rig: Rig, onlooker: Callable[..., Onlooker], message: str) -> None:
    engine, watch = rig.engine(), onlooker()
    job = rig.job(CHECKED.replace("%s", message), variables=SECRETS)
    engine.fetch(job, watch)
    with pytest.raises(EngineError) as failed:
        engine.plan(job, watch)
    assert "Resource precondition failed" in str(failed.value)
    assert "***" in watch.text
    assert traces(watch.text) == []
    assert traces(str(failed.value)) == []


def test_an_apply_that_fails_shows_no_sensitive_value(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    failing = (
        DECLARED
        + """
    resource "terraform_data" "fails" {
      provisioner "local-exec" { command = "echo '${var.token}' >&2; exit 1" }
    }
    """
    )
    engine, job, watch = rig.engine(), rig.job(failing, variables=SECRETS), onlooker()
    engine.fetch(job, watch)
    done = engine.apply(job, engine.plan(job, watch), watch)
    assert not done.succeeded
    assert "local-exec provisioner error" in done.summary
    assert traces(watch.text + done.summary) == []


def test_variables_reach_terraform_as_they_are_and_never_by_a_command_line(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    echo = DECLARED + 'output "length" { value = "${length(var.key)} ${length(var.list)} ${var.shown}" }\n'
    engine, job, watch = rig.engine(), rig.job(echo, variables=SECRETS), onlooker()
    engine.fetch(job, watch)
    engine.plan(job, watch)
    assert f'"{len(KEY)} 2 plainly visible"' in watch.text
    assert not any("-var" in line for line in watch.text.splitlines() if line.startswith("$"))
