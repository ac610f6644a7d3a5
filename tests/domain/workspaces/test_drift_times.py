"""When checks for drift are due, and which drift is ignored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import Invalid
from bot.domain.workspaces.drift import SPREAD, DriftIgnore, DriftSettings, check_drift

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def test_a_time_of_cron_is_by_the_clock_of_its_zone_and_delayed_a_little() -> None:
    due = DriftSettings("0 6 * * *", zone="Europe/Berlin").last_due("ws-a", NOW)
    assert due is not None
    assert timedelta() <= due - datetime(2026, 7, 1, 4, 0, tzinfo=UTC) <= SPREAD


def test_before_its_delay_has_passed_the_time_before_counts() -> None:
    settings = DriftSettings("0 12 * * *")
    delay = settings.last_due("ws-a", NOW + SPREAD)
    assert delay is not None
    just_before = settings.last_due("ws-a", delay - timedelta(seconds=1))
    assert just_before == delay - timedelta(days=1)
    assert settings.last_due("ws-a", delay) == delay


@pytest.mark.parametrize("settings", [DriftSettings("0 * * * *"), DriftSettings(every=timedelta(hours=1))])
def test_workspaces_with_one_schedule_are_not_due_at_one_moment(settings: DriftSettings) -> None:
    assert len({settings.last_due(f"ws-{number}", NOW) for number in range(20)}) == 20


def test_intervals_follow_each_other_without_gaps() -> None:
    settings = DriftSettings(every=timedelta(hours=6))
    first = settings.last_due("ws-a", NOW)
    second = settings.last_due("ws-a", NOW + timedelta(hours=6))
    assert first is not None
    assert second == first + timedelta(hours=6)
    assert NOW - timedelta(hours=6) < first <= NOW


def test_a_time_that_the_clocks_show_twice_counts_once() -> None:
    settings = DriftSettings("30 2 * * *", zone="Europe/Berlin")
    begin = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    found = {settings.last_due("ws-a", begin + timedelta(minutes=5 * step)) for step in range(60)}
    assert len(found) == 2


def test_without_settings_nothing_is_due() -> None:
    assert DriftSettings().last_due("ws-a", NOW) is None
    assert not DriftSettings().on


@pytest.mark.parametrize(
    "wrong",
    [
        DriftSettings("0 6 * *"),
        DriftSettings("61 6 * * *"),
        DriftSettings(every=timedelta(minutes=9)),
        DriftSettings(every=timedelta(days=400)),
        DriftSettings("0 6 * * *", zone="../etc/passwd"),
    ],
    ids=["four fields", "minute 61", "too often", "too seldom", "no zone"],
)
def test_what_is_not_valid_is_refused(wrong: DriftSettings) -> None:
    with pytest.raises(Invalid):
        check_drift(wrong)


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (DriftIgnore("web.one"), ("a", "b")),
        (DriftIgnore('web.x["?"]'), None),
        (DriftIgnore("web.*", ("a",)), ("b",)),
        (DriftIgnore("*", ("*",)), ()),
    ],
    ids=["another", "by pattern", "one attribute", "all attributes"],
)
def test_rules_take_patterns_in_which_brackets_are_brackets(
    rule: DriftIgnore, left: tuple[str, ...] | None
) -> None:
    assert rule.left_of('web.x["1"]', ("a", "b")) == left
