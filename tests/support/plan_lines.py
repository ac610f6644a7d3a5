"""Reads the text of a plan back: which objects it names, what is done to them, which attributes they have.

It knows the layout alone, and takes a line for what its first columns say, as a hasty reader does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LITERAL = r'"(?:[^"\\]|\\.)*"'
_CUT = r"(?:… \([\d,]+ more characters?\))?"
_ADDRESS = rf"(?:{_LITERAL}{_CUT}|[^\s\"\[(]+(?:\[(?:\d+|{_LITERAL})\][^\s\"\[]*)*)"
_HEADER = re.compile(rf"^  # (?P<address>{_ADDRESS}(?: \(deposed object {_ADDRESS}\))?) (?P<does>[a-z].*)$")
_OBJECT = re.compile(
    r'^(?:[+-] {3}|! [~.] |! (?:-/\+|\+/-|\+/\.) | <= | {4})(?P<mode>resource|data|action) ".*" \{$'
)
_NAME = r'(?P<name>[\w-]+|"(?:[^"\\]|\\.)*"(?:… \([\d,]+ more characters?\))?)'
_ATTRIBUTE = re.compile(rf"^(?P<sign>[+!-]| ) {{5}}[ ~] {_NAME} += ")
_OUTPUT = re.compile(rf"^(?P<sign>[+!-]) [ ~] {_NAME} += ")


@dataclass
class Read:
    """What a reader takes from a plan's text."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    objects: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0


def parse_back(text: str) -> Read:
    """Return the structure of a text in the form of a diff."""
    found = Read()
    in_outputs = inside = False
    for line in text.splitlines():
        if line == "Changes to Outputs:":
            in_outputs, inside = True, False
        elif not line.startswith((" ", "+", "-", "!")):
            in_outputs = False
        elif header := _HEADER.match(line):
            found.headers.append((header["address"], header["does"]))
        elif line == "    }":
            inside = False
        elif in_outputs and (output := _OUTPUT.match(line)):
            found.outputs.append((output["sign"], output["name"]))
        elif not in_outputs and not inside and (begun := _OBJECT.match(line)):
            inside = True
            found.objects.append((line[: begun.start("mode")].strip(), []))
        elif inside and (attribute := _ATTRIBUTE.match(line)):
            found.objects[-1][1].append((attribute["sign"], attribute["name"]))
    found.others = len(re.findall(r"^  # ", text, re.MULTILINE)) - len(found.headers)
    return found


def headers_of(text: str) -> list[str]:
    """Return the comments above resources in a text of Terraform's, or in a plain one of ours."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line, raw in zip(lines, text.splitlines(), strict=True) if re.match(r" {1,2}# ", raw)]
