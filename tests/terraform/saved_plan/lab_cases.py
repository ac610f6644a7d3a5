"""Cases for a provider with every kind of attribute and block (its source is in `lab/main.go`).

Their plans are recorded: the provider is not built here.
"""

from __future__ import annotations

from tests.terraform.saved_plan.corpus import Case

HEAD = (
    'terraform {\n  required_providers {\n    lab = {\n      source = "example.com/lab/lab"\n    }\n  }\n}\n'
)
FULL = (
    HEAD
    + """resource "lab_thing" "full" {
  number = 123456789012345678901234567890.5
  whole = 42
  float = 0.1
  truth = true
  digits = "123456789012345678901234567890"
  password = "hunter2"
  tags = { "a.b" = "1", c = null }
  secrets = { a = "1" }
  names = ["b", "a", "ü"]
  numbers = [3, 1, 2.5, 12345678901234567890123]
  any = { a = [1, "x", { b = null }], s = toset(["q", "p"]), n = 12345678901234567890123 }
  set = [{ name = "z", size = 1 }, { name = "a", size = 2, hidden = "h" }, { name = "m" }]
  list = [{ name = "l1", hidden = "h" }, { name = "l2", size = 5 }]
  map = { "k.1" = { name = "x", hidden = sensitive("y") }, k2 = { name = "y" } }
  one = { name = "one", hidden = "h" }
  rule {
    port = 443
    cidr = "10.0.0.0/8"
  }
  rule {
    port = 80
  }
  rule {
    cidr = "z"
  }
  guard {
    port = 1
    secret = "s1"
  }
  guard {
    port = 2
  }
  step {
    port = 1
    secret = "x"
  }
  step {
    port = 2
  }
  single {
    port = 9
  }
}
"""
)
UNK = (
    FULL
    + """resource "lab_thing" "second" {
  names = [lab_thing.full.id, "b"]
  number = lab_thing.full.seen
  set = [{ name = lab_thing.full.id, size = 1 }, { name = "k" }]
  tags = { a = lab_thing.full.id }
  numbers = [lab_thing.full.seen, 1]
  any = lab_thing.full.after
  rule {
    port = length(lab_thing.full.id)
  }
  rule {
    port = 7
  }
  dynamic "step" {
    for_each = toset(["a"])
    content {
      secret = lab_thing.full.id
    }
  }
}
output "o" {
  value = lab_thing.full
  sensitive = true
}
"""
)
ACTED = """  lifecycle {
    action_trigger {
      events  = [after_create, after_update]
      actions = [action.lab_call.it, action.lab_call.many[0]]
    }
  }
  single {"""
ACT = (
    FULL.replace(
        "  single {",
        ACTED,
    )
    + """
action "lab_call" "it" {
  config {
    url = "https://example.org"
    count_of = 5
    parts = ["b", "a"]
  }
}
action "lab_call" "many" {
  count = 2
  config {
    url = sensitive("https://${count.index}")
  }
}
"""
)
DRIFT = (
    HEAD
    + """resource "lab_thing" "d" {
  drifts = true
  whole  = 1
  names  = ["a"]
}
resource "lab_thing" "u" {
  whole = lab_thing.d.whole
}
"""
)
LAB_CASES: dict[str, Case] = {
    "lab full": Case({"main.tf": FULL}),
    "lab unknown": Case({"main.tf": UNK}),
    "lab kept": Case({"main.tf": UNK}, before={"main.tf": UNK}),
    "lab update": Case(
        {
            "main.tf": FULL.replace("443", "444")
            .replace('"z", size = 1', '"z", size = 3')
            .replace("hunter2", "other")
            .replace("s1", "s2")
        },
        before={"main.tf": FULL},
    ),
    "lab destroy": Case({"main.tf": UNK}, before={"main.tf": UNK}, args=("-destroy",)),
    "lab drift": Case({"main.tf": DRIFT}, before={"main.tf": DRIFT}),
    "lab not refreshed": Case({"main.tf": DRIFT}, before={"main.tf": DRIFT}, args=("-refresh=false",)),
    "lab write only": Case({"main.tf": HEAD + 'resource "lab_thing" "w" {\n  once = "secret"\n}\n'}),
    "lab import": Case(
        {
            "main.tf": HEAD
            + 'resource "lab_thing" "i" {\n  whole = 1\n}\nimport {\n  to = lab_thing.i\n  id = "x"\n}\n'
        }
    ),
    "lab import identity": Case(
        {
            "main.tf": HEAD + 'resource "lab_thing" "i" {\n  whole = 1\n}\n'
            'import {\n  to = lab_thing.i\n  identity = {\n    region = "eu"\n  }\n}\n'
        }
    ),
    "lab actions": Case({"main.tf": ACT}),
    "lab invoke": Case({"main.tf": ACT}, before={"main.tf": ACT}, args=("-invoke=action.lab_call.it",)),
}
