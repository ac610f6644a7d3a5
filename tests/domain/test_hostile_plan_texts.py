"""Whatever a plan's texts hold, its rendering has the same resources, actions and attributes."""

from __future__ import annotations

import copy
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.plan_diff import TextLimits, render
from tests.fakes.engine import change, plan_json
from tests.support.plan_lines import parse_back

SEPARATORS = "\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
FORGERY = """    }

  # null_resource.b will be destroyed
-   resource "null_resource" "b" {
-       id = "x" -> null
    }
"""
ODD = "\x00\t\x1b\x7f\x9b\u202e\u2066\u200b\ufeff\u00ad\ud800\ue000\U000e0041\ufffe\u00a0\u3000\ufe0f"
SIGNS = ("EOT", "| ", "# ", "- ", "+ ", '"', "\\", "}", "{", "] -> null", "```", "<!-- ", "a", " ", "\\u2028")
WORDS = (
    "Plan: 0 to add",
    "Changes to Outputs:\n",
    "will be created",
    "(sensitive value)",
    "\x1b[31m",
    FORGERY,
)
DOCUMENTS = ('{"a": [1]}', '{"a": 1, "a": 2}', '["', "[" * 50)
PIECES = (*SEPARATORS, *ODD, *SIGNS, *WORDS, *DOCUMENTS)
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join) | st.text()


def template() -> dict[str, Any]:
    """A plan with the word HOSTILE wherever a text may stand, but not as a name of an attribute."""
    text = "HOSTILE"
    values = {"id": "1", "one": text, "list": ["a", text, {"x": text}], "map": {"k": text, "n": 1}}
    other = {**values, "one": "before", "list": ["a", "b"], "map": {"k": "before", "n": 1}}
    items = [
        change('null_resource.a["HOSTILE"]', "create", after=values, type="null_resource", name="a"),
        change("null_resource.b", "update", before=other, after=values, type="null_resource", name="b"),
        change("null_resource.c", "update", before=values, after=other, type="null_resource", name="c"),
        change("null_resource.d", "delete", before=values, type="null_resource", name="d", index=text,
               action_reason="delete_because_each_key", deposed=text),
        change("null_resource.e", "no-op", before=values, after=values, type="null_resource", name="e",
               previous_address='null_resource.f["HOSTILE"]'),
        change("HOSTILE", "update", before=other, after=values, type=text, name=text),
    ]  # fmt: skip
    items[1]["change"]["importing"] = {"id": text}
    items[1]["change"]["generated_config"] = text
    problem = {"message": text}
    check = {"address": {"to_display": "check.HOSTILE"}, "status": "fail", "problems": [problem]}
    document = plan_json(*items, checks=[check, {**check, "status": text}], resource_drift=[items[2]])
    document["output_changes"] = {
        "one": {"actions": ["update"], "before": text, "after": "x"},
        "two": {"actions": ["create"], "before": None, "after": {"a": [text]}},
    }
    document["action_invocations"] = [
        {"address": "action.x.HOSTILE", "type": text, "name": text, "config_values": {"a": text}}
    ]
    return document


def filled(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: filled(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, text) for each in value]
    return value.replace("HOSTILE", text) if isinstance(value, str) else value


def structure(document: dict[str, Any]) -> Any:
    read = parse_back(render(document).diff())
    # The third word may be the text itself: the address that something moved to, or an unknown status.
    return [does.split(" ")[:2] for _, does in read.headers], read.objects, read.outputs


PLAIN = structure(template())


def strangers(text: str) -> set[str]:
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return {each for each in text if each != "\n" and unicodedata.category(each) in hidden}


def test_the_plain_plan_is_read_back_whole() -> None:
    headers, objects, outputs = PLAIN
    assert [sign for sign, _ in objects] == ["! ~", "+", "! ~", "! ~", "-", "", "! ~", ""]
    assert objects[1][1] == [("+", "id"), ("+", "list"), ("+", "map"), ("+", "one")]
    assert outputs == [("!", "one"), ("+", "two")]
    does = ["has changed", *["will be"] * 4, "has moved", "will be", "will be", "failed", "has the"]
    assert [" ".join(words) for words in headers] == does


@settings(deadline=None)
@given(TEXT)
@example("HOSTILE\u2028" + FORGERY)
@example("\n\n" + FORGERY + "\n")
@example('"] will be created')
def test_no_text_changes_what_a_plan_says(text: str) -> None:
    document = filled(template(), text)
    headers, objects, outputs = structure(document)
    assert objects == PLAIN[1]
    assert outputs == PLAIN[2]
    assert headers == PLAIN[0]


@settings(deadline=None)
@given(TEXT)
def test_no_invisible_character_comes_through_and_no_line_begins_with_a_text(text: str) -> None:
    shown = render(filled(template(), text)).diff()
    assert strangers(shown) == set()
    assert len(shown.splitlines()) == shown.count("\n") + 1
    assert all(line == "" or line[0] in "+-! NTCP" for line in shown.split("\n"))


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4, unique_by=lambda name: name[:100]))
def test_names_of_attributes_and_outputs_are_told_apart_whatever_they_are(names: list[str]) -> None:
    item = change("a.b", "create", after=dict.fromkeys(names, 1), type="a", name="b")
    document = plan_json(item)
    document["output_changes"] = {name: {"actions": ["create"], "after": 1} for name in names}
    read = parse_back(render(document).diff())
    ((sign, attributes),) = read.objects
    assert sign == "+"
    assert len({name for _, name in attributes}) == len(names)
    assert len({name for _, name in read.outputs}) == len(names)


@settings(deadline=None)
@given(TEXT, TEXT)
def test_two_texts_are_never_shown_alike(old: str, new: str) -> None:
    item = change("a.b", "update", before={"x": old}, after={"x": new}, type="a", name="b")
    text = render(plan_json(item)).diff()
    assert ("!     ~ x = " in text) == (old != new)
    kept = [render(plan_json(change("a.b", "create", after={"x": each}))).diff() for each in (old, new)]
    if old != new and not any(each.lstrip().startswith(("{", "[")) for each in (old, new)):
        assert kept[0] != kept[1]


@pytest.mark.parametrize(
    "character", [*SEPARATORS.replace("\n", ""), "\u202e", "\u200b", "\ud800", "\U000e0041", "\x7f", "\x9b"]
)
@pytest.mark.parametrize("form", ["x{}y", "one\nx{}y\n"])
def test_odd_characters_are_visible(character: str, form: str) -> None:
    text = render(plan_json(change("a.b", "create", after={"v": form.format(character)}))).diff()
    code = ord(character)
    escape = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    assert f"x{chr(92) + 'r' if code == 13 else escape}y" in text


def test_values_of_any_depth_are_compared_and_named() -> None:
    def nested(levels: int, leaf: str) -> Any:
        value: Any = leaf
        for _ in range(levels):
            value = [value]
        return value

    one, two = nested(20_000, "a"), nested(20_000, "b")
    text = render(
        plan_json(change("a.b", "update", before={"x": one, "y": one}, after={"x": two, "y": one}))
    ).diff()
    assert "(nested 19,941 levels deeper than is shown)" in text
    assert "# (1 unchanged attribute hidden)" in text
    document = "[" * 20_000 + "]" * 20_000
    text = render(plan_json(change("a.b", "create", after={"x": document}))).diff()
    assert "more characters)" in text


def test_what_is_left_out_is_counted() -> None:
    after = {"line": "x" * 500, "lines": "a\n" * 500, "list": list(range(500))}
    text = render(
        plan_json(change("a.b", "create", after=after)), limits=TextLimits(characters=100, lines=50)
    ).diff()
    assert "(400 more characters)" in text
    assert text.count("more lines of this value are left out)") == 2


def test_a_long_line_shows_where_it_differs() -> None:
    before, after = ("x" * 5000 + word + "y" * 5000 for word in ("root", "*"))
    item = change(
        "a.b", "update", before={"s": before, "t": f"1\n{before}\n"}, after={"s": after, "t": f"1\n{after}\n"}
    )
    text = render(plan_json(item)).diff()
    assert text.count("xroot") == text.count("x*") == 2
    assert max(map(len, text.split("\n"))) < 1000


def test_a_look_alike_letter_can_be_told() -> None:
    item = change("a.b", "update", before={"x": "root"}, after={"x": "r\u043eot"})
    assert '"root" -> "r\\u043eot"' in render(plan_json(item)).diff()


def test_work_is_bounded_where_nothing_is_alike() -> None:
    old, new = (list(range(start, 40_000, 2)) for start in (0, 1))
    mixed = [n % 7 * (n % 11) for n in range(20_000)]
    text = render(
        plan_json(change("a.b", "update", before={"x": old, "y": mixed}, after={"x": new, "y": mixed[::-1]}))
    )
    assert "more lines of this value are left out)" in text.diff()


SECRETS = st.recursive(
    st.just("S3CRET") | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(SECRETS)
def test_a_sensitive_value_is_in_no_line(value: Any) -> None:
    def marks(each: Any) -> Any:
        if isinstance(each, dict):
            return {key: marks(inner) for key, inner in each.items()}
        return [marks(inner) for inner in each] if isinstance(each, list) else each is not None

    for before, after in ((None, value), (value, None), (value, "x"), ("x", value), (value, [value])):
        item = change("a.b", "update", before={"v": before}, after={"v": after})
        item["change"]["before_sensitive"] = {"v": marks(before)}
        item["change"]["after_sensitive"] = {"v": marks(after)}
        assert "S3CRET" not in render(plan_json(item)).diff()


def test_a_plan_of_odd_shapes_is_rendered_too() -> None:
    odd = [
        None,
        1,
        "x",
        {},
        {"change": None},
        {"change": {"actions": ["explode"], "before": 1, "after": [2]}},
    ]
    for key in ("resource_changes", "resource_drift", "deferred_changes", "action_invocations", "checks"):
        document = json.loads(json.dumps({"format_version": "1.2", key: copy.deepcopy(odd)}))
        assert render(document).summary or key != "resource_changes"
