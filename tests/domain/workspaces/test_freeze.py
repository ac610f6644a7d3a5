"""When no apply may start, also if clocks change in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import Invalid
from bot.domain.workspaces.freeze import FreezeWindow, Frozen, check_window, frozen

BERLIN = ZoneInfo("Europe/Berlin")
WEEKEND = FreezeWindow("0 16 * * 5", timedelta(hours=64), "Europe/Berlin", why="No applies on weekends")
OFFICE = FreezeWindow("0 9 * * MON-FRI", timedelta(hours=8), "Europe/Berlin", deny=False, why="Office hours")


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def until(now: datetime, *windows: FreezeWindow) -> datetime | None:
    found = frozen(windows, now)
    return found.until if found else None


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-27T15:59:59", None),
        ("2026-11-27T16:00", "2026-11-30T08:00"),
        ("2026-11-28T03:00", "2026-11-30T08:00"),
        ("2026-11-30T07:59:59", "2026-11-30T08:00"),
        ("2026-11-30T08:00", None),
        # The clocks go back on 25 October, and forward on 29 March.
        ("2026-10-24T12:00", "2026-10-26T08:00"),
        ("2026-10-26T07:59", "2026-10-26T08:00"),
        ("2026-10-26T08:00", None),
        ("2026-03-28T12:00", "2026-03-30T08:00"),
        ("2026-03-30T07:59", "2026-03-30T08:00"),
        ("2026-03-30T08:00", None),
    ],
)
def test_a_weekend_ends_on_monday_at_eight_whatever_the_clocks_do(now: str, end: str | None) -> None:
    assert until(at(now), WEEKEND) == (at(end) if end else None)


def test_it_says_until_when_and_why() -> None:
    found = frozen([WEEKEND], at("2026-11-28T12:00"))
    assert found is not None
    assert found.words == "waits until Mon 30 Nov 08:00 Europe/Berlin: No applies on weekends"
    assert Frozen(None, "UTC", "").words == "waits for the end of a freeze"


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-11-27T12:00", None),
        ("2026-11-27T17:00", "2026-11-30T09:00"),
        ("2026-11-30T08:59", "2026-11-30T09:00"),
        ("2026-03-28T12:00", "2026-03-30T09:00"),
        ("2026-10-24T12:00", "2026-10-26T09:00"),
    ],
)
def test_outside_of_what_is_allowed_nothing_starts(now: str, start: str | None) -> None:
    assert until(at(now), OFFICE) == (at(start) if start else None)


def test_denied_windows_close_allowed_ones() -> None:
    lunch = FreezeWindow("0 12 * * *", timedelta(hours=1), "Europe/Berlin", why="Lunch")
    assert until(at("2026-11-27T12:30"), OFFICE, lunch) == at("2026-11-27T13:00")
    # The last lunch ends after the office has closed: the next that is allowed counts.
    late = FreezeWindow("30 16 * * *", timedelta(hours=2), "Europe/Berlin", why="Late")
    found = frozen([OFFICE, late], at("2026-11-27T16:45"))
    assert found == Frozen(at("2026-11-30T09:00").astimezone(UTC), "Europe/Berlin", "Late")


def test_windows_that_follow_each_other_are_one_freeze() -> None:
    nights = FreezeWindow("0 20 * * *", timedelta(hours=12), "Europe/Berlin")
    days = FreezeWindow("0 8 * * SAT,SUN", timedelta(hours=12), "Europe/Berlin")
    assert until(at("2026-11-27T21:00"), nights, days) == at("2026-11-30T08:00")
    always = FreezeWindow("0 0 * * *", timedelta(hours=24))
    assert frozen([always], at("2026-11-27T21:00")) == Frozen(None, "UTC", "")


def test_a_start_that_the_clocks_skip_is_an_hour_later() -> None:
    night = FreezeWindow("30 2 * * *", timedelta(hours=2), "Europe/Berlin")
    assert until(at("2026-03-29T03:29"), night) is None
    assert until(at("2026-03-29T03:30"), night) == at("2026-03-29T04:30")


def test_a_start_that_the_clocks_show_twice_is_the_first() -> None:
    night = FreezeWindow("30 2 * * *", timedelta(hours=2), "Europe/Berlin")
    assert until(at("2026-10-25T02:29"), night) is None
    assert until(at("2026-10-25T02:30"), night) == at("2026-10-25T04:30")
    assert until(at("2026-10-25T02:10", fold=1), night) == at("2026-10-25T04:30")


def test_each_window_has_a_zone_of_its_own() -> None:
    tokyo = FreezeWindow("0 9 * * *", timedelta(hours=1), "Asia/Tokyo")
    assert until(datetime(2026, 11, 27, 0, 30, tzinfo=UTC), tokyo) == datetime(2026, 11, 27, 1, tzinfo=UTC)
    assert until(datetime(2026, 11, 27, 9, 30, tzinfo=UTC), tokyo) is None


def test_without_windows_nothing_is_frozen() -> None:
    assert frozen([], at("2026-11-28T12:00")) is None


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


@given(
    MOMENTS,
    st.lists(
        st.builds(
            FreezeWindow,
            st.sampled_from(["0 16 * * 5", "30 2 * * *", "0 0 1 * *", "*/20 8-9 * * 1-5", "0 0 24 12 *"]),
            st.sampled_from([timedelta(minutes=10), timedelta(hours=3), timedelta(hours=64)]),
            st.sampled_from(["Europe/Berlin", "UTC", "America/New_York", "Australia/Lord_Howe"]),
            st.booleans(),
        ),
        max_size=3,
    ),
)
def test_a_freeze_lasts_until_the_time_that_it_says(now: datetime, windows: list[FreezeWindow]) -> None:
    found = frozen(windows, now)
    if found is None or found.until is None:
        return
    assert found.until > now
    assert frozen(windows, found.until) is None
    for part in range(1, 5):
        between = now + (found.until - now) * part / 5
        again = frozen(windows, between)
        assert again is not None
        assert again.until == found.until


@pytest.mark.parametrize(
    ("starts", "why"),
    [
        ("0 16 * *", "it has 4 fields, not 5: minute, hour, day of the month, month, day of the week"),
        ("60 16 * * 5", "60 is not a minute: use 0 to 59"),
        ("0 24 * * 5", "24 is not an hour: use 0 to 23"),
        ("0 16 * * FRIDAY", "FRIDAY is not a day of the week: use 0 to 7, or SUN to SAT"),
        ("0 16 * 13 *", "13 is not a month: use 1 to 12, or JAN to DEC"),
        ("0 16 0 * *", "0 is not a day of the month: use 1 to 31"),
        ("*/0 * * * *", "*/0: a step follows `*` or a range, and is at least 1, such as `*/15`"),
        ("5/10 * * * *", "5/10: a step follows `*` or a range"),
        ("0 18-8 * * *", "18-8: the range ends before it begins"),
        ("0 16 1 * 5", "it says a day of the month and a day of the week: write `*` for one of them"),
        ("0 16 31 2,4 *", "there is no such date in any year"),
        ("0,, 16 * * *", "nothing is not a minute: use 0 to 59"),
        ("@daily", "it has 1 fields, not 5"),
        ("\u0660 16 * * *", "is not a minute"),
    ],
)
def test_a_bad_expression_says_what_is_wrong(starts: str, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_window(FreezeWindow(starts, timedelta(hours=1)))
    assert why in str(caught.value)


@pytest.mark.parametrize("zone", ["Berlin", "../etc/passwd", "", "CEST"])
def test_a_bad_zone_says_how_to_write_one(zone: str) -> None:
    with pytest.raises(Invalid, match="is not a time zone: write one such as Europe/Berlin"):
        check_window(FreezeWindow("0 16 * * 5", timedelta(hours=1), zone))


@pytest.mark.parametrize("length", [timedelta(), timedelta(seconds=59), timedelta(days=367)])
def test_a_window_has_a_sensible_length(length: timedelta) -> None:
    with pytest.raises(Invalid, match="a window lasts from 1m to 366d"):
        check_window(FreezeWindow("0 16 * * 5", length))


def test_sunday_is_0_and_7() -> None:
    one, other = (FreezeWindow(f"0 0 * * {day}", timedelta(hours=24)) for day in "07")
    sunday = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert until(sunday, one) == until(sunday, other) == datetime(2026, 11, 30, tzinfo=UTC)
