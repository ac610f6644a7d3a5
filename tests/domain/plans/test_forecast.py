"""What two changes do together: compared by their plans and the plan of both."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.plans.forecast import MOST_NAMES, Deed, Forecast, first_error, forecast

CREATE, UPDATE, DELETE = ["create"], ["update"], ["delete"]
REPLACE, READ, NOTHING = ["delete", "create"], ["read"], ["no-op"]


def plan(changes: dict[str, tuple[list[str], Any]], outputs: dict[str, Any] | None = None) -> dict[str, Any]:
    resources = [
        {"address": address, "change": {"actions": actions, "after": value}}
        for address, (actions, value) in changes.items()
    ]
    told = {name: {"actions": CREATE, "after": value} for name, value in (outputs or {}).items()}
    return {"format_version": "1.2", "resource_changes": resources, "output_changes": told}


def test_changes_of_other_resources_are_independent() -> None:
    one, other = plan({"a.x": (CREATE, 1)}), plan({"b.y": (UPDATE, 2)}, {"o": 1})
    found = forecast(one, other, plan({"b.y": (UPDATE, 2), "a.x": (CREATE, 1)}, {"o": 1}))
    assert found == Forecast()
    assert found.words("#14") == "independent of #14"


def test_what_both_touch_in_another_way_depends_on_the_order() -> None:
    one, other = plan({"a.x": (UPDATE, 1)}), plan({"a.x": (UPDATE, 2)})
    found = forecast(one, other, plan({"a.x": (UPDATE, 2)}))
    assert found == Forecast(order=("a.x",))
    assert found.words("#14") == "the order with #14 matters: a.x"


def test_the_same_to_the_same_is_the_same_in_any_order() -> None:
    same = plan({"a.x": (UPDATE, 1)})
    assert forecast(same, same, same).independent


def test_another_value_than_without_the_other_depends_on_the_order() -> None:
    found = forecast(plan({"a.x": (CREATE, 1)}), plan({}), plan({"a.x": (CREATE, 2)}))
    assert found.order == ("a.x",)


def test_what_is_not_done_together_depends_on_the_order() -> None:
    found = forecast(plan({"a.x": (CREATE, 1)}), plan({"a.y": (DELETE, None)}), plan({"a.y": (DELETE, None)}))
    assert found.order == ("a.x",)


def test_what_neither_does_comes_together_and_the_worst_first() -> None:
    one, other = plan({"a.x": (UPDATE, 1)}), plan({"a.x": (UPDATE, 2)})
    both = {"a.x": (UPDATE, 2), "a.n": (CREATE, 1), "db.main": (REPLACE, 1), "a.gone": (DELETE, None)}
    found = forecast(one, other, plan(both))
    assert found.together == (
        Deed("replaces", "db.main"), Deed("destroys", "a.gone"), Deed("creates", "a.n"),
    )  # fmt: skip
    assert found.words("!2") == (
        "together with !2: replaces db.main, destroys a.gone, creates a.n; the order matters: a.x"
    )


def test_updates_that_are_a_replacement_together_come_together() -> None:
    one, other = plan({"db.main": (UPDATE, 1)}), plan({"db.main": (UPDATE, 2)})
    found = forecast(one, other, plan({"db.main": (REPLACE, 3)}))
    assert (found.together, found.order) == ((Deed("replaces", "db.main"),), ())


def test_a_dependent_that_only_one_touches_is_compared_with_its_plan() -> None:
    mine = plan({"app.x": (UPDATE, 1)})
    assert forecast(None, mine, mine).independent
    assert (
        forecast(None, mine, plan({"app.x": (DELETE, None)})).words("#1")
        == "together with #1: destroys app.x"
    )


def test_reads_and_what_stays_do_not_count() -> None:
    both = plan({"a.x": (CREATE, 1), "data.y": (READ, 1), "a.same": (NOTHING, 1)})
    assert forecast(plan({"a.x": (CREATE, 1)}), plan({}), both).independent


def test_moves_imports_and_deposed_objects_have_words() -> None:
    both = plan({"a.x": (NOTHING, 1), "a.y": (NOTHING, 1), "a.z": (DELETE, None)})
    moved, imported, deposed = both["resource_changes"]
    moved["previous_address"] = "a.w"
    imported["change"]["importing"] = {"id": "i-1"}
    deposed["deposed"] = "ab12"
    assert forecast(plan({}), plan({}), both).together == (
        Deed("destroys", "a.z (deposed ab12)"), Deed("imports", "a.y"), Deed("moves", "a.x"),
    )  # fmt: skip


def test_many_names_are_counted() -> None:
    both = plan({f"a.x{number:03}": (CREATE, 1) for number in range(MOST_NAMES + 20)})
    found = forecast(plan({}), plan({}), both)
    assert (len(found.together), found.more_together) == (MOST_NAMES, 20)
    assert found.words("#1").endswith(f"creates a.x002 and {MOST_NAMES + 17} more")


def test_conflicts_errors_and_cancels_have_words() -> None:
    assert Forecast(conflicts=("main.tf",)).words("#14") == "conflicts with #14 in main.tf"
    assert Forecast(conflicts=("",)).words("#14") == "has no history in common with #14"
    many = Forecast(conflicts=("a", "b", "c", "d")).words("#1")
    assert many == "conflicts with #1 in a, b, c and 1 more"
    error = first_error("\n╷\n│ Error: Duplicate resource\n│\n│   on main.tf line 1\n")
    assert Forecast(error=error).words("#14") == "together with #14 the plan fails: Duplicate resource"
    assert Forecast(canceled_by="ana").words("#1") == "the forecast with #1 was canceled by ana"


def test_a_hostile_name_ends_no_line_and_marks_no_code() -> None:
    found = Forecast(order=("a\n`b`" + "c" * 500,), error="").words("#1")
    assert "\n" not in found
    assert "`" not in found
    assert len(found) < 200


def test_secrets_are_hidden_in_every_text() -> None:
    found = Forecast((Deed("creates", 'a.x["pw"]'),), ("a.pw",), (), "pw").hiding(
        lambda text: text.replace("pw", "***")
    )
    assert "pw" not in repr(found)


VALUES = st.integers(0, 2)
PLANS = st.dictionaries(
    st.sampled_from(["a.x", "a.y", "b.z", "b.w"]),
    st.tuples(st.sampled_from([CREATE, UPDATE, DELETE, REPLACE]), VALUES),
)


@given(PLANS, PLANS, PLANS)
def test_it_does_not_matter_which_change_is_called_the_first(one: Any, other: Any, both: Any) -> None:
    assert forecast(plan(one), plan(other), plan(both)) == forecast(plan(other), plan(one), plan(both))


@given(PLANS, PLANS)
def test_disjoint_plans_are_independent_if_both_do_what_each_does(one: Any, other: Any) -> None:
    rest = {address: deed for address, deed in other.items() if address not in one}
    assert forecast(plan(one), plan(rest), plan({**one, **rest})).independent


@given(PLANS, PLANS, PLANS)
def test_every_destroy_that_neither_has_is_told(one: Any, other: Any, both: Any) -> None:
    found = forecast(plan(one), plan(other), plan(both))
    told = {deed.address for deed in found.together}
    for address, (actions, _) in both.items():
        if "delete" in actions and address not in one and address not in other:
            assert address in told


@given(PLANS, PLANS, PLANS)
def test_independent_means_that_nothing_is_lost_or_added(one: Any, other: Any, both: Any) -> None:
    if forecast(plan(one), plan(other), plan(both)).independent:
        assert both == {**one, **other}
