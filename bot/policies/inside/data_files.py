"""Reads a set's data files for the bundled evaluator, each under its folder, as OPA reads them.

OPA reads YAML by another version of the language than PyYAML. A value that the two read differently is
refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_SAME = {
    "tag:yaml.org,2002:null": re.compile(r"~|null|Null|NULL|"),
    "tag:yaml.org,2002:bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "tag:yaml.org,2002:int": re.compile(r"-?(?:0|[1-9]\d{0,14})"),
    "tag:yaml.org,2002:float": re.compile(r"-?(?:0|[1-9]\d{0,14})\.\d{0,14}[1-9]"),
    "tag:yaml.org,2002:str": re.compile(r"(?s:.*)"),
}
# PyYAML reads these as text, and OPA as numbers or booleans.
_NUMBER_LIKE = re.compile(
    r"[-+]?(?:\.?\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?|0[xob][\da-fA-F_]+|\.inf|\.nan)", re.I
)
JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,15})(?:\.\d{0,15}[1-9])?")
"""A number that both evaluators print as it is written."""


_LONGEST, _EXACT = 15, 1 << 53


class Differs(ValueError):
    """A value that the bundled evaluator would read differently from OPA."""


def read_data(files: Mapping[str, str]) -> dict[str, Any]:
    """Merge data files. Raises ValueError if one can't be read, or if two of them disagree."""
    whole: dict[str, Any] = {}
    for path, text in sorted(files.items()):
        value = read_json(text, path) if path.endswith(".json") else _yaml(text, path)
        for folder in reversed(path.split("/")[:-1]):
            value = {folder: value}
        if not isinstance(value, dict):
            raise ValueError(f"{path} holds no mapping")
        _merge(whole, value, path)
    return whole


def read_json(text: str, where: str) -> Any:
    """Read JSON as OPA does. Raises ValueError; Differs for a number that would be printed differently."""

    def number(written: str) -> float | int:
        large = "." not in written and len(written) > _LONGEST and abs(int(written[:40])) > _EXACT
        if not JSON_NUMBER.fullmatch(written) or large:
            raise Differs(f"{where} has the number {written[:40]}, which the bundled evaluator changes")
        return float(written) if "." in written else int(written)

    def constant(written: str) -> float:
        raise ValueError(f"{where}: {written} is not JSON")

    try:
        return json.loads(text, parse_int=number, parse_float=number, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not valid JSON: {error}") from error
    except RecursionError:
        raise ValueError(f"{where} is nested too deeply") from None


def conflict(data: Mapping[str, Any], rules: Iterable[tuple[str, ...]]) -> str:
    """Return the path of a rule that the data has too, empty for none: data must never replace a rule."""
    for path in rules:
        at: Any = data
        for depth, key in enumerate(path, start=1):
            if not isinstance(at, dict):
                return ".".join(path[: depth - 1])
            if key not in at:
                break
            at = at[key]
        else:
            return ".".join(path)
    return ""


class _Loader(yaml.SafeLoader):
    """Builds only values that OPA reads the same way."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build a value. Raises Differs."""
        if isinstance(node, yaml.ScalarNode) and node.style is None:
            same = _SAME.get(node.tag)
            odd = node.tag.endswith(":str") and _NUMBER_LIKE.fullmatch(node.value)
            if same is None or odd or not same.fullmatch(node.value):
                line = node.start_mark.line + 1
                raise Differs(f"line {line}: {node.value[:40]!r} is read in several ways: put it in quotes")
        elif isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if key.tag.endswith(":str")]
            if len(keys) != len(node.value) or len(set(keys)) != len(keys):
                raise Differs(f"line {node.start_mark.line + 1}: keys must be texts, and no two alike")
        return super().construct_object(node, deep)


def _yaml(text: str, path: str) -> Any:
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 -- a SafeLoader
        return json.loads(json.dumps(value))
    except Differs as error:
        raise Differs(f"{path}, {error}") from error
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(f"{path} is not valid YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None


def _merge(whole: dict[str, Any], more: Mapping[str, Any], path: str) -> None:
    for key, value in more.items():
        there = whole.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            _merge(there, value, path)
        elif key in whole:
            raise ValueError(f"{path}: another file says what {key} is")
        else:
            whole[key] = value
