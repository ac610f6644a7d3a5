"""Values of outputs reach another configuration through a file of variables as they were: real Terraform."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bot.domain.workspaces.outputs import outputs_of
from bot.domain.workspaces.variables import Category, Variable
from bot.terraform.repository.configuration import variable_files
from tests.support.backend import TERRAFORM

TEXTS = [
    "${1+1} %{if true}x%{endif} $$${a} $$$${b} %%{c}",
    '"q" \\ \\u0041 \n\r\t\b\f\x7f\x01',
    "é😀 <&>",
    "",
]
VALUES = {
    "text": "".join(TEXTS),
    "list": [*TEXTS, None, True, -1.5, 123456789012345678901234567890],
    "object": {text: {"inner": [text]} for text in TEXTS},
    "keys": {key: key for key in ("name", "a-b", "for", "in", "null", "true", "if", "_", "each", "1a", "é")},
    "number": 0.1,
    "nothing": None,
}


def test_values_arrive_as_they_were(tmp_path: Path) -> None:
    state = json.dumps({"outputs": {name: {"value": value} for name, value in VALUES.items()}})
    found = outputs_of(state.encode())
    assert isinstance(found, dict)
    variables = tuple(Variable(n, o.value, Category.TERRAFORM, hcl=o.hcl) for n, o in found.items())
    for name, content in variable_files(tmp_path, variables):
        (tmp_path / name).write_bytes(content)
    lines = (f'variable "{n}" {{}}\noutput "{n}" {{\n  value = jsonencode(var.{n})\n}}\n' for n in VALUES)
    (tmp_path / "main.tf").write_text("".join(lines))
    program = [sys.executable, "-c", TERRAFORM]
    subprocess.run([*program, "apply", "-auto-approve"], cwd=tmp_path, check=True, capture_output=True)
    written = json.loads((tmp_path / "terraform.tfstate").read_bytes())["outputs"]
    assert {name: json.loads(output["value"]) for name, output in written.items()} == VALUES
