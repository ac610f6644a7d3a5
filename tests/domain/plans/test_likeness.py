"""Plans of several workspaces are the same only if nothing but the workspaces' own names differs."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.plan_diff import render
from bot.domain.plans.likeness import likeness
from bot.domain.plans.plan import load_plan_json
from tests.fakes.engine import change, plan_json
from tests.support.plan_corpus import stored


def like(name: str, *changes: dict[str, Any], directory: str = "", **more: Any) -> str:
    return likeness(plan_json(*changes, **more), name, directory)


def bucket(name: str, *actions: str, **values: Any) -> dict[str, Any]:
    after = {"bucket": f"acme-{name}-logs", "tags": {"workspace": name}, **values}
    made = change("aws_s3_bucket.logs", *actions, after=after, type="aws_s3_bucket", name="logs")
    if "delete" in actions:
        made["change"]["before"] = after
    return made


def updated(before: dict[str, Any], after: dict[str, Any], **marks: Any) -> dict[str, Any]:
    made = change("aws_vpc.main", "update", before=before, after=after, type="aws_vpc", name="main")
    made["change"].update(marks)
    return made


def test_plans_that_differ_in_the_workspaces_names_are_the_same() -> None:
    assert like("app-dev", bucket("app-dev", "create")) == like("app-prod", bucket("app-prod", "create"))


def test_plans_that_differ_in_the_workspaces_directories_are_the_same() -> None:
    made = [
        like(name, bucket("x", "create", source=f"/{folder}/site"), directory=folder)
        for name, folder in (("app-dev", "envs/dev"), ("app-eu", "live/eu"))
    ]
    assert made[0] == made[1]


def test_a_directory_of_one_word_may_be_a_value_that_means_something() -> None:
    made = [
        like(name, bucket("x", "create", acl=folder), directory=folder)
        for name, folder in (("app-dev", "private"), ("app-eu", "public-read"))
    ]
    assert made[0] != made[1]


def test_an_output_can_not_look_like_what_an_update_alters() -> None:
    def output(before: Any, after: Any) -> str:
        return like("x-1", output_changes={"o": {"actions": ["update"], "before": before, "after": after}})

    assert output({"a": 1}, {"a": 2}) != output([[], {"a": 1}], [[], {"a": 2}])


def test_the_name_of_another_workspace_is_a_difference() -> None:
    one = like("app-dev", bucket("app-dev", "create"))
    assert one != like("app-eu", bucket("app-dev", "create"))
    assert one != like("app-dev", bucket("app-eu", "create"))


@pytest.mark.parametrize(
    "other",
    [
        bucket("app-eu", "create", acl="public"),
        bucket("app-eu", "delete"),
        bucket("app-eu", "delete", "create"),
        {**bucket("app-eu", "create"), "provider_name": "other"},
        {**bucket("app-eu", "create"), "address": "aws_s3_bucket.other"},
        {**bucket("app-eu", "create"), "type": "other"},
        {**bucket("app-eu", "create"), "previous_address": "aws_s3_bucket.old"},
        {**bucket("app-eu", "create"), "deposed": "1"},
    ],
)
def test_every_other_difference_counts(other: dict[str, Any]) -> None:
    assert like("app-dev", bucket("app-dev", "create")) != like("app-eu", other)


@pytest.mark.parametrize("key", ["resource_drift", "deferred_changes", "action_invocations", "checks"])
def test_what_else_a_plan_tells_counts(key: str) -> None:
    more: dict[str, Any] = {key: [{"address": "a.b", "status": "fail", "change": {"actions": ["update"]}}]}
    assert like("app-dev", bucket("app-dev", "create")) != like("app-eu", bucket("app-eu", "create"), **more)


def test_outputs_and_what_runs_only_at_apply_count() -> None:
    one = like("app-dev", bucket("app-dev", "create"))
    assert one != like("app-eu", bucket("app-eu", "create"), outputs={"a": ("create",)})
    run = {"address": "aws_s3_bucket.logs", "mode": "managed", "provisioners": [{"type": "local-exec"}]}
    configuration = {"root_module": {"resources": [run]}}
    assert one != like("app-eu", bucket("app-eu", "create"), configuration=configuration)


def test_a_difference_that_a_text_cuts_off_counts() -> None:
    long = "x" * 100_000
    assert like("app-dev", bucket("app-dev", "create", policy=f"{long}a")) != like(
        "app-eu", bucket("app-eu", "create", policy=f"{long}b")
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (1, True),
        (None, "null"),
        ("", None),
        ([], {}),
        ("a", ["a"]),
        ({"a": 1}, [["a", 1]]),
        (1, 1.0),
    ],
)
def test_values_of_different_types_are_different(one: Any, other: Any) -> None:
    assert like("app-dev", bucket("x", "create", v=one)) != like("app-dev", bucket("x", "create", v=other))


@pytest.mark.parametrize("name", ["1", "eu", "10", "2024", "..."])
def test_a_name_that_may_be_a_value_is_compared_as_one(name: str) -> None:
    assert like(name, bucket("x", "create", size=name)) != like("100", bucket("x", "create", size="100"))


def test_only_whole_words_are_names() -> None:
    assert like("app", bucket("x", "create", v="apply")) != like("net", bucket("x", "create", v="netly"))


@pytest.mark.parametrize("pair", [("create", "delete"), ("aws_vpc", "aws_eip")])
def test_a_workspace_that_is_named_like_an_action_or_a_type_hides_neither(pair: tuple[str, str]) -> None:
    one, other = pair
    made = [
        like(name, change(f"{name}.x", "create" if name == "create" else "delete", type=name, name="x"))
        for name in (one, other)
    ]
    assert made[0] != made[1]


def test_an_update_may_leave_other_values_as_they_are() -> None:
    one = updated({"id": "vpc-1", "dns": False}, {"id": "vpc-1", "dns": True})
    other = updated({"id": "vpc-2", "dns": False}, {"id": "vpc-2", "dns": True})
    assert like("app-dev", one) == like("app-eu", other)


@pytest.mark.parametrize(
    "other",
    [
        updated({"id": "vpc-2", "dns": False}, {"id": "vpc-3", "dns": True}),
        updated({"id": "vpc-2", "dns": None}, {"id": "vpc-2", "dns": True}),
        updated({"id": "vpc-2", "dns": False, "x": 1}, {"id": "vpc-2", "dns": True, "x": 1}),
        updated({"id": "vpc-1", "dns": False}, {"id": "vpc-1", "dns": True}, after_unknown={"id": True}),
        updated({"id": "vpc-1", "dns": False}, {"id": "vpc-1", "dns": True}, after_sensitive={"id": True}),
        updated({"dns": False}, {"dns": True}),
    ],
)
def test_what_an_update_alters_counts(other: dict[str, Any]) -> None:
    one = updated({"id": "vpc-1", "dns": False}, {"id": "vpc-1", "dns": True})
    assert like("app-dev", one) != like("app-eu", other)


def test_what_is_destroyed_is_compared_whole() -> None:
    one = change("aws_vpc.main", "delete", before={"id": "vpc-1"}, type="aws_vpc", name="main")
    other = change("aws_vpc.main", "delete", before={"id": "vpc-2"}, type="aws_vpc", name="main")
    assert like("app-dev", one) != like("app-eu", other)


def test_a_plan_that_nests_too_deeply_is_like_no_other() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert like("app-dev", bucket("x", "create", v=deep)) == ""


PIECES = st.lists(st.sampled_from(["name", "x", "y", "x-name", "\0"]), max_size=4)


@given(PIECES, PIECES)
def test_texts_are_the_same_only_if_they_have_the_names_in_the_same_places(
    one: list[str], other: list[str]
) -> None:
    def formed(name: str, pieces: list[str]) -> str:
        text = "/".join(pieces).replace("name", name)
        return like(name, bucket("x", "create", v=text))

    assert (formed("app-dev", one) == formed("net-prod", other)) == (one == other)


PLANS = {f"{path.parent.name}/{path.stem}": path for path in stored()}
Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict | list) and value:
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path


def altered(document: Any, path: Path) -> Any:
    """Return a copy with another value at a path."""
    if not path:
        return "another" if isinstance(document, str) else {"another": 1} if document is None else None
    copy = document.copy()
    copy[path[0]] = altered(document[path[0]], path[1:])
    return copy


@pytest.mark.parametrize("name", PLANS)
def test_whatever_alters_the_text_of_a_real_plan_alters_its_likeness(name: str) -> None:
    document = json.loads(PLANS[name].read_text(encoding="utf-8"))
    text, like_it = render(document).diff(), likeness(document, "app-dev", "")
    assert like_it
    told = 0
    paths = [path for path in leaves(document) if path[0] not in ("prior_state", "planned_values")]
    for path in random.Random(name).sample(paths, min(len(paths), 150)):
        other = altered(document, path)
        if render(other).diff() != text:
            told += 1
            assert likeness(other, "app-dev", "") != like_it, path
    assert told or "Plan: 0" in text or "Plan:" not in text


def test_real_plans_are_alike_only_if_their_texts_mark_the_same_changes() -> None:
    """A line without a sign is a value that stays as it is, such as an id."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in PLANS.values()]
    texts = [re.sub(r"^ {8}.*\n", "", render(each).diff(), flags=re.MULTILINE) for each in documents]
    hashes = [likeness(each, "app-dev", "") for each in documents]
    pairs = [
        (one, other) for one in range(len(texts)) for other in range(one) if hashes[one] == hashes[other]
    ]
    assert pairs
    assert all(texts[one] == texts[other] for one, other in pairs)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9007199254740992", "9007199254740993"),
        ("9007199254740992.5", "9007199254740993.5"),
        ("9.007199254740992e+15", "9.007199254740993e+15"),
        ("0.1", "0.1000000000000000055"),
        ("1e400", "1e500"),
        ("1.5", '"1.5"'),
        ("1.5", '{"number": "1.5"}'),
    ],
)
def test_numbers_that_a_float_would_make_the_same_are_different(one: str, other: str) -> None:
    def of(size: str, before: str = "null") -> str:
        made = updated({"size": "B"}, {"size": "A"}) if before != "null" else bucket("x", "create", size="A")
        raw = json.dumps(plan_json(made)).replace('"A"', size).replace('"B"', before)
        return likeness(load_plan_json(raw.encode(), exact=True), "", "")

    assert of(one) != of(other)
    assert of(one) == of(one)
    # What an update leaves as it is does not count: a change that floats do not see must not pass for that.
    assert of(one, before=other) != of(one, before=one)
