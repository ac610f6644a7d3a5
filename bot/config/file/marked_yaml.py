"""Reads YAML into plain values and remembers the line of each, so that an error can point at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot.config.problems import shown

Loc = tuple[str | int, ...]

_MOST_BYTES = 1_000_000
_MOST_NODES = 50_000


class YamlError(Exception):
    """The text is not valid YAML for us; the message starts with `file:line:column`."""


@dataclass
class Document:
    """A file's values, with the place of each value and of each key (both counted from 1)."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    values: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    problems: list[tuple[tuple[int, int], str]] = field(default_factory=list)

    def where(self, loc: Loc, key: bool = False) -> str:
        """Return `plangate.yml:12:5: workspaces[2].branch` for a value, or for its key."""
        place = self.place(loc, key)
        path = ""
        for step in loc:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        return f"{self.name}:{place[0]}:{place[1]}" + (f": {path}" if path else "")

    def place(self, loc: Loc, key: bool = False) -> tuple[int, int]:
        """Return line and column of a value or its key; of its parent if it is missing."""
        if key and loc in self.keys:
            return self.keys[loc]
        while loc and loc not in self.values:
            loc = loc[:-1]
        return self.values.get(loc, (1, 1))


def read_document(path: Path) -> Document:
    """Read a file. Raises YamlError if it is missing, unreadable or not a YAML mapping."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise YamlError(
            f"{path}: there is no such file: write one (examples/plangate.yml shows every option), "
            "or set PLANGATE_CONFIG to its path"
        ) from error
    except OSError as error:
        raise YamlError(f"{path}: can't be read: {error.strerror}") from error
    return parse_document(raw, path.name)


def parse_document(raw: bytes, name: str) -> Document:
    """Parse a file's bytes. Raises YamlError if they are not a YAML mapping."""
    if len(raw) > _MOST_BYTES:
        raise YamlError(f"{name}: is larger than 1 MB: is it the right file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise YamlError(f"{name}:{line}: is not UTF-8: save the file as UTF-8") from error
    document = Document(name)
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            _Walk(loader, document).run(root)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"{name}:{line}: holds a control character that YAML does not allow") from error
    except yaml.MarkedYAMLError as error:
        raise YamlError(_explain(error, text, name)) from error
    except RecursionError as error:
        raise YamlError(f"{name}: is nested too deeply") from error
    return document


class _Walk:
    """Turns the node graph into values, noting places, refusing doubled keys and bombs of aliases."""

    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def run(self, root: yaml.Node | None) -> None:
        name = self._document.name
        if root is None or self._size(root) == 0 or _is_null(root):
            raise YamlError(f"{name}: is empty: write `workspaces:` and, under it, a `- name:` for each")
        if not isinstance(root, yaml.MappingNode):
            raise YamlError(f"{name}:1:1: must start with a key such as `workspaces:`")
        self._document.data = self._value(root, ())

    def _size(self, node: yaml.Node) -> int:
        """Count the nodes with every alias written out, without writing one out.

        A few lines of aliases to aliases would otherwise unfold to more than any machine holds.
        """
        if id(node) in self._open:
            raise YamlError(f"{self._at(node)}: an alias that holds itself")
        if id(node) not in self._sizes:
            self._open.add(id(node))
            children = node.value if isinstance(node, yaml.CollectionNode) else []
            total = 1
            for child in children:
                pair = child if isinstance(child, tuple) else (child,)
                total += sum(self._size(part) for part in pair)
            if total > _MOST_NODES:
                raise YamlError(
                    f"{self._at(node)}: aliases (`*name`) that unfold to more than {_MOST_NODES} values"
                )
            self._open.discard(id(node))
            self._sizes[id(node)] = total
        return self._sizes[id(node)]

    def _value(self, node: yaml.Node, loc: Loc) -> Any:
        self._document.values[loc] = _place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*loc, index)) for index, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
            # PyYAML lets these through for a value that does not fit its tag, such as `!!timestamp x`.
            raise YamlError(
                f"{self._at(node)}: {shown(node.value)} is not a valid date or number: put it in quotes"
            ) from error

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        written: dict[str, yaml.Node] = {}
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError(f"{self._at(key_node)}: a key must be text")
            if key in written and key_node.tag != "tag:yaml.org,2002:merge":
                first = _place(written[key])[0]
                text = f"{self._at(key_node)}: {shown(key)} appears twice (first on line {first}): keep one"
                self._document.problems.append((_place(key_node), text))
            written[key] = key_node
        self._loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            # The word as written: YAML 1.1 would read the key `on` as true.
            key = str(key_node.value)
            self._document.keys[(*loc, key)] = _place(key_node)
            result[key] = self._value(value_node, (*loc, key))
        return result

    def _at(self, node: yaml.Node) -> str:
        line, column = _place(node)
        return f"{self._document.name}:{line}:{column}"


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _explain(error: yaml.MarkedYAMLError, text: str, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    problem = error.problem or "can't be read as YAML"
    if "\t" in here[: column + 1]:
        problem = "a tab: YAML is indented with spaces"
    elif "single document" in (error.context or ""):
        problem = "a second document starts here: remove the `---`"
    elif problem.startswith("mapping values are not allowed"):
        problem = "a second `: ` on the line, or a wrong indent: put the value in quotes, or line it up"
    elif "could not determine a constructor" in problem:
        problem = "a tag (`!...`) that is not known here: remove it"
    elif problem.startswith("expected <block end>"):
        problem = "wrong indent: line it up with the lines above"
    elif problem.startswith(("found undefined alias", "expected alphabetic or numeric character")):
        problem = "an alias (`*name`) without its anchor (`&name`): text that starts with `*` needs quotes"
    elif "cannot start any token" in problem:
        problem = "text that starts with this character needs quotes"
    return f"{name}:{line}:{column}: {problem}"
