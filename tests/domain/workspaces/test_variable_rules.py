"""Which variable wins, which names and values there may be: for every workspace and every set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import Invalid
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import (
    DESCRIPTION_LENGTH,
    KEY_LENGTH,
    VALUE_BYTES,
    Category,
    StoredVariable,
    Variable,
    VariableSet,
    check,
    check_set,
    effective,
    held_in,
    visible_variables,
)

AT = datetime(2026, 1, 2, tzinfo=UTC)


def kept(key: str, value: str = "x", category: Category = Category.TERRAFORM, **more: Any) -> StoredVariable:
    return StoredVariable(f"var-{key}-{value}", Variable(key, value, category, **more), "ann", AT)


def group(
    name: str, *inside: StoredVariable, everywhere: bool = False, reach: Sequence[str] = ()
) -> VariableSet:
    return VariableSet(f"varset-{name}", name, everywhere, tuple(reach), variables=inside)


def values(found: Sequence[Variable]) -> dict[str, str]:
    return {one.key: one.value for one in found}


def test_the_more_specific_wins() -> None:
    own = [kept("a", "own")]
    sets = [
        group("z", kept("a", "z"), kept("b", "z"), reach=["network"]),
        group("everyone", *(kept(key, "everyone") for key in "abc"), everywhere=True),
    ]
    assert values(effective("network", own, sets)) == {"a": "own", "b": "z", "c": "everyone"}


def test_among_sets_alike_the_first_name_wins_whatever_their_order() -> None:
    sets = [group("b", kept("k", "b"), reach=["*"]), group("B", kept("k", "B"), reach=["network"])]
    assert values(effective("network", [], sets)) == {"k": "B"}
    assert values(effective("network", [], sets[::-1])) == {"k": "B"}


def test_an_input_and_one_of_the_environment_of_the_same_name_are_two() -> None:
    found = effective("network", [kept("region", "a"), kept("region", "b", Category.ENV)], [])
    assert {(one.category, one.value) for one in found} == {("terraform", "a"), ("env", "b")}


@pytest.mark.parametrize(
    ("reach", "name", "reached"),
    [
        (["network"], "network", True),
        (["network"], "network-prod", False),
        (["net*"], "network-prod", True),
        (["*-prod"], "network-prod", True),
        (["network-?"], "network-a", True),
        (["network-?"], "network-ab", False),
        (["NETWORK"], "network", False),
        ([], "network", False),
    ],
)
def test_names_and_patterns_of_names(reach: list[str], name: str, reached: bool) -> None:
    assert group("s", reach=reach).reaches(name) is reached


KEYS = st.sampled_from(["a", "b", "c"])
CATEGORIES = st.sampled_from(list(Category))
VARIABLES = st.lists(st.builds(kept, KEYS, st.text("xyz", max_size=3), CATEGORIES), max_size=5).map(
    # One owner has each name once, as the store sees to.
    lambda found: list({one.variable.place: one for one in found}.values())
)
SETS = st.lists(
    st.builds(
        lambda name, everywhere, reach, inside: group(name, *inside, everywhere=everywhere, reach=reach),
        st.sampled_from(["s1", "s2", "s3", "S4"]),
        st.booleans(),
        st.lists(st.sampled_from(["network", "net*", "other"]), max_size=2),
        VARIABLES,
    ),
    max_size=4,
    unique_by=lambda one: one.name,
)


@given(VARIABLES, SETS, st.randoms(use_true_random=False))
def test_there_is_one_winner_of_each_name_and_no_order_changes_it(
    own: list[StoredVariable], sets: list[VariableSet], random: Random
) -> None:
    found = effective("network", own, sets)
    places = [one.place for one in found]
    assert len(places) == len(set(places))
    shuffled, own_shuffled = list(sets), list(own)
    random.shuffle(shuffled)
    random.shuffle(own_shuffled)
    assert effective("network", own_shuffled, shuffled) == found


@given(VARIABLES, SETS)
def test_what_reaches_a_workspace_is_there_once_and_nothing_else_is(
    own: list[StoredVariable], sets: list[VariableSet]
) -> None:
    seen = visible_variables("network", own, sets)
    reaching = [*own, *(one for each in sets if each.reaches("network") for one in each.variables)]
    assert sorted(one.kept.id for one in seen) == sorted(one.id for one in reaching)


@given(VARIABLES, SETS)
def test_nothing_wins_over_the_workspaces_own_nor_over_what_is_more_specific(
    own: list[StoredVariable], sets: list[VariableSet]
) -> None:
    mine = {one.variable.place: one.variable for one in own}
    named = [each for each in sets if each.reaches("network") and not each.everywhere]
    for one in effective("network", own, sets):
        if one.place in mine:
            assert one == mine[one.place]
        elif candidates := [
            each for each in named if one.place in {v.variable.place for v in each.variables}
        ]:
            first = min(candidates, key=lambda each: each.name)
            assert one in {v.variable for v in first.variables}


@given(VARIABLES, SETS)
def test_what_is_hidden_names_its_winner(own: list[StoredVariable], sets: list[VariableSet]) -> None:
    seen = visible_variables("network", own, sets)
    for one in seen:
        if one.hidden_by:
            winner = next(w for w in seen if w.kept.variable.place == one.kept.variable.place)
            assert not winner.hidden_by
            assert one.hidden_by == winner.source


@pytest.mark.parametrize("key", ["region", "_x", "with-dash", "a1", "größe", "x" * KEY_LENGTH])
def test_names_that_terraform_takes(key: str) -> None:
    assert check(Variable(key, "x")) is None  # type: ignore[func-returns-value]  # it raises, or not


@pytest.mark.parametrize(
    "key", ["", "1a", "-a", "a b", "a.b", "a\n", "a=1\nb", "count", "locals", "x" * (KEY_LENGTH + 1), "²"]
)
def test_names_that_terraform_does_not_take(key: str) -> None:
    with pytest.raises(Invalid):
        check(Variable(key, "x"))


@pytest.mark.parametrize(
    "key", ["AWS_REGION", "_x", "a1", "TF_VAR_region", "TF_LOG", "PATH", "TF_CLI_ARGS_plan"]
)
def test_names_of_the_environment(key: str) -> None:
    assert check(Variable(key, "x", Category.ENV)) is None  # type: ignore[func-returns-value]  # it raises, or not


@pytest.mark.parametrize(
    "key",
    [
        "",
        "1A",
        "A-B",
        "A B",
        "A=B",
        "Ä",
        "LD_PRELOAD",
        "PYTHONPATH",
        "HOME",
        "TF_CLI_CONFIG_FILE",
        "TF_CLI_ARGS",
    ],
)
def test_names_that_are_none_or_our_own_guards(key: str) -> None:
    with pytest.raises(Invalid):
        check(Variable(key, "x", Category.ENV))


@given(st.integers(VALUE_BYTES - 3, VALUE_BYTES + 3), st.sampled_from("xü€"))
def test_the_limit_counts_bytes_and_the_error_repeats_no_value(size: int, letter: str) -> None:
    count, rest = divmod(size, len(letter.encode()))
    value = letter * count + "x" * rest
    if size <= VALUE_BYTES:
        assert check(Variable("a", value)) is None  # type: ignore[func-returns-value]  # it raises, or not
        return
    with pytest.raises(Invalid) as refused:
        check(Variable("a", value))
    assert str(size) in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": "a\0b"}, "NUL"),
        ({"value": "\ud800"}, "half a character"),
        ({"hcl": True, "category": Category.ENV}, "remove hcl"),
        ({"description": "x" * (DESCRIPTION_LENGTH + 1)}, "too long"),
    ],
)
def test_what_else_no_variable_can_be(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        check(replace(Variable("a", "x"), **changes))


def test_no_repr_shows_a_value() -> None:
    assert "hunter2" not in repr(kept("a", "hunter2").variable)
    assert "hunter2" not in repr(
        visible_variables("network", [StoredVariable("v", Variable("a", "hunter2"), "", AT)], [])
    )


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (group("a b"), "not a valid name of a set"),
        (group("x" * 91), "not a valid name of a set"),
        (group("s", reach=["a/b"]), "or a pattern"),
        (group("s", reach=["a[b]"]), "or a pattern"),
        (group("s", reach=["a"], everywhere=True), "for every workspace"),
        (replace(group("s"), description="x" * 600), "too long"),
    ],
)
def test_sets_that_can_not_be(one: VariableSet, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        check_set(one)


def test_sets_that_can_be() -> None:
    assert check_set(group("s_1-x", reach=["a", "b-*", "*"])) is None  # type: ignore[func-returns-value]  # it raises, or not


def _phased(key: str, value: str, phase: Phase, category: Category = Category.ENV) -> StoredVariable:
    return StoredVariable(f"var-{value}", Variable(key, value, category, phase=phase), "olga", AT)


def test_each_phase_has_a_winner_of_its_own() -> None:
    everyone = VariableSet(
        "varset-1",
        "all",
        True,
        variables=(_phased("KEY", "set-plan", Phase.PLAN), _phased("KEY", "set-apply", Phase.APPLY)),
    )
    own = [_phased("KEY", "own-apply", Phase.APPLY)]
    assert {(one.value, one.phase) for one in effective("network", own, [everyone])} == {
        ("set-plan", Phase.PLAN),
        ("own-apply", Phase.APPLY),
    }
    hidden = {
        seen.kept.variable.value: seen.hidden_by for seen in visible_variables("network", own, [everyone])
    }
    assert hidden == {"own-apply": "", "set-plan": "", "set-apply": "the workspace"}


def test_of_one_owner_the_value_for_one_phase_wins_over_the_one_for_both() -> None:
    own = [_phased("KEY", "both", Phase.BOTH), _phased("KEY", "apply", Phase.APPLY)]
    found = effective("network", own, [])
    assert [(one.value, one.phase) for one in held_in(Phase.PLAN, found)] == [("both", Phase.PLAN)]
    assert [(one.value, one.phase) for one in held_in(Phase.APPLY, found)] == [("apply", Phase.APPLY)]


def test_a_terraform_variable_is_for_both_phases() -> None:
    with pytest.raises(Invalid, match="the saved plan holds its value"):
        check(Variable("token", "x", phase=Phase.APPLY))
    check(Variable("TOKEN", "x", Category.ENV, phase=Phase.APPLY))


def test_sets_with_priority_win_over_all_and_the_run_over_the_rest() -> None:
    def kept(value: str, owner: str) -> StoredVariable:
        return StoredVariable(owner, Variable("a", value), "ann", AT)

    def one(name: str, *, priority: bool = False, **reach: Any) -> VariableSet:
        return VariableSet(name, name, variables=(kept(name, name),), priority=priority, **reach)

    everywhere = one("everywhere", everywhere=True)
    project = one("project", projects=("lab",))
    named = one("named", workspaces=("net*",))
    first = [
        one("p-everywhere", priority=True, everywhere=True),
        one("p-project", priority=True, projects=("lab",)),
        one("p-named", priority=True, workspaces=("network",)),
    ]
    order: list[VariableSet | str] = [*first, "run", "own", named, project, everywhere]
    expected = [each if isinstance(each, str) else each.name for each in order]
    found = []
    while order:
        sets = [each for each in order if isinstance(each, VariableSet)]
        run = [kept("run", "")] if "run" in order else []
        own = [kept("own", "var-1")] if "own" in order else []
        (winner,) = effective("network", own, reversed(sets), run, project="lab")
        found.append(winner.value)
        order = [each for each in order if getattr(each, "name", each) != winner.value]
    assert found == expected
    assert effective("network", (), [project], project="other") == ()
