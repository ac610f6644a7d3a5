"""Reads Rego as text, word by word, for what the evaluator itself does not say.

The evaluator takes OPA's old syntax (v0) without a word and gives another result for it; it notices a
built-in that it lacks only when it is called; it does not know that `"\\u00fc"` is `"ü"`; and it breaks off
at `with input as`, which every test has, though it can replace data. A plan must not pass because of any of
these, so a set's sources are looked through, and rewritten, before they are evaluated.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<raw>\$?`[^`]*`)
      | (?P<text>\$?"(?:[^"\\\n]|\\.)*")
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<number>\d[\w.]*)
      | (?P<line>\n)
      | (?P<space>[ \t\r]+)
      | (?P<mark>:=|==|!=|<=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)
MOVED = "plangate_input"
"""The key in the data under which the input is where a module replaces it."""

_SAME = "data.plangate.filling.same"
_OPEN, _CLOSE = "([{", ")]}"
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
# After these a `{` begins a set or an object, and not the body of a rule.
_WANT_A_TERM = frozenset(
    {":=", "=", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "&", "|", ",", ":", ";"}
) | {"contains", "in", "not", "with", "as", "some"}
# What may stand before a `(` without being called.
_KEYWORDS = frozenset(
    {"if", "else", "not", "in", "contains", "some", "every", "with", "as", "default", "import", "package"}
)
_OPERATORS = frozenset({"==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%"})
_BEFORE_VALUE = _OPERATORS | {"if", "not", ";", "{", ":=", "in", "contains"}
_BEHIND_VALUE = _OPERATORS | {"}", ";", "if"}
V0_HINT = (
    "this is Rego's old syntax (v0): write `if` before a rule's body and `contains` for a set of messages, "
    "such as `deny contains msg if { ... }` (`opa fmt --v0-v1 -w` rewrites it)"
)


@dataclass(frozen=True)
class Token:
    """A piece of the source; comments and space are left out of what `tokens` gives."""

    kind: str
    text: str
    line: int
    depth: int
    begins_line: bool


def tokens(source: str) -> Iterator[Token]:
    """Yield the words and marks of a source, with their lines and how deep in brackets they stand."""
    line, depth, first = 1, 0, True
    for found in _TOKEN.finditer(source):
        kind, text = found.lastgroup or "", found[0]
        if kind == "line":
            line, first = line + 1, True
            continue
        if kind in ("comment", "space"):
            continue
        if text in _CLOSE:
            depth = max(0, depth - 1)
        yield Token(kind, text, line, depth, first)
        first = False
        if text in _OPEN:
            depth += 1
        line += text.count("\n")


def v0_line(source: str) -> int:
    """Return the line where a rule is written in the old syntax, 0 where none is."""
    before: Token | None = None
    has_if = False
    for token in tokens(source):
        if token.depth == 0 and token.text not in _CLOSE:
            if token.begins_line and _begins_rule(token, before):
                has_if = False
            if token.text == "{" and before is not None and not has_if and before.text not in _WANT_A_TERM:
                return token.line
            if token.kind == "name" and token.text == "if":
                has_if = True
            elif token.kind == "name" and token.text == "else":
                has_if = False
        before = token
    return 0


def _begins_rule(token: Token, before: Token | None) -> bool:
    if token.kind != "name" or token.text in ("if", "else"):
        return False
    return before is None or before.text not in _WANT_A_TERM | {"if", "else", "default"}


def rules(source: str) -> tuple[str, ...]:
    """Return the names of the module's rules, each once, in their order."""
    found: dict[str, None] = {}
    before: Token | None = None
    for token in tokens(source):
        begins = token.depth == 0 and token.kind == "name" and token.begins_line
        rule = begins and _begins_rule(token, before) and token.text not in _KEYWORDS
        if rule or (before is not None and before.text == "default"):
            found[token.text.split(".")[0]] = None
        before = token
    return tuple(found)


def package(source: str) -> str:
    """Return the module's package, empty where it names none."""
    before = None
    for token in tokens(source):
        if before is not None and before.text == "package":
            return token.text
        if token.text != "package":
            return ""
        before = token
    return ""


def imported(source: str) -> frozenset[str]:
    """Return the names that the module imports, under which other packages' functions may be called."""
    found: set[str] = set()
    words = [token for token in tokens(source) if token.kind == "name"]
    for at, word in enumerate(words[:-1]):
        if word.text == "import":
            renamed = at + 3 < len(words) and words[at + 2].text == "as"
            found.add(words[at + 3].text if renamed else words[at + 1].text.rpartition(".")[2])
    return frozenset(found)


def calls(source: str) -> Iterator[tuple[str, int]]:
    """Yield every name that is called, with its line."""
    before: Token | None = None
    for token in tokens(source):
        called = token.text == "(" and before is not None and before.kind == "name"
        if called and before is not None and before.text not in _KEYWORDS:
            yield before.text, before.line
        before = token


def lacking(source: str, own: Iterable[str], known: Callable[[str], bool]) -> tuple[str, int]:
    """Return the first call of a function that is nowhere, and its line; an empty name where none is.

    `own` are the rules of the module's whole package, which may have several files.
    """
    here = {*own, *imported(source), "data", "input"}
    for name, line in calls(source):
        if name.split(".")[0] not in here and not known(name):
            return name, line
    return "", 0


def unbound(source: str, own: Iterable[str], known: Callable[[str], bool]) -> tuple[str, int]:
    """Return the first name that nothing gives a value, and its line; an empty name where there is none.

    OPA refuses such a module ("unsafe variable"), and the evaluator takes the name for undefined, so that a
    rule with a mistyped name would never hold. Only what stands in a module once, where a value is needed,
    is such a name for certain.
    """
    words = [*tokens(source)]
    roots = [
        token.text.split(".")[0] if token.kind == "name" and (not at or words[at - 1].text != ".") else ""
        for at, token in enumerate(words)
    ]
    counts = Counter(roots)
    bound = {*own, *imported(source), *_KEYWORDS, "data", "input", "_", "true", "false", "null", ""}
    for at, token in enumerate(words):
        if counts[roots[at]] != 1 or roots[at] in bound or not at:
            continue
        before, after = words[at - 1], words[at + 1] if at + 1 < len(words) else None
        begins = token.begins_line and token.depth > 0 and before.text not in (",", "[", "(")
        ends = after is None or after.text in _BEHIND_VALUE or (after.begins_line and after.text != "]")
        if (begins or before.text in _BEFORE_VALUE) and ends and not known(token.text):
            return token.text, token.line
    return "", 0


def replaces_input(source: str) -> bool:
    """Whether the module says `with input`, or a part of it."""
    before: Token | None = None
    for token in tokens(source):
        if before is not None and before.text == "with" and token.text.split(".")[0] == "input":
            return True
        before = token
    return False


def rewritten(source: str, instead: Mapping[str, str], *, moved: bool = False) -> str:
    """Return the source with calls of some built-ins led elsewhere, and every `\\u` escape in texts resolved.

    With `moved`, the input is read from the data. Lines stay where they are, for errors name them.
    """
    out: list[str] = []
    end, last, word = 0, -1, ""
    for found in _TOKEN.finditer(source):
        kind, text = found.lastgroup or "", found[0]
        was, end = out[-1:], found.end()
        if kind == "text":
            text = _ESCAPE.sub(_resolved, text)
        elif kind == "name" and moved and text.split(".")[0] == "input" and was != ["."]:
            text = f"data.{MOVED}" + text.removeprefix("input")
        elif text == "(" and last >= 0 and (name := instead.get(out[last])):
            out[last] = name
        if moved and kind == "name" and word == "as" and _is_value(source, end):
            # A rule as the value would be undefined; what a function gives is not.
            text = f"{_SAME}({text})"
        out.append(text)
        last = len(out) - 1 if kind == "name" else -1
        word = _with_as(word, kind, text)
    return "".join([*out, source[end:]])


def _with_as(word: str, kind: str, text: str) -> str:
    """Follow `with input as`: return `with`, `input` and `as` behind each of them, empty elsewhere."""
    if kind in ("space", "comment", "line"):
        return word
    if text == "with" or (word == "with" and text.startswith(f"data.{MOVED}")):
        return "with" if text == "with" else "input"
    return "as" if text == "as" and word == "input" else ""


def _is_value(source: str, end: int) -> bool:
    """Whether a name that ends here is a whole value, and is neither called nor looked into."""
    return source[end : end + 1] not in ("(", "[", ".")


def _resolved(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    surrogate = 0xD800 <= ord(character) <= 0xDFFF
    if surrogate or not character.isprintable():
        return found[0]
    return json.dumps(character, ensure_ascii=False)[1:-1]
