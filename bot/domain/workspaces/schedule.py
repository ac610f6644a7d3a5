"""Times that come again, in the five fields of cron: minute, hour, day of the month, month, day of the week.

Fields are `*`, numbers, ranges, lists and steps (`*/15`, `8-18/2`); months and days of the week also have
English names. Source: crontab(5). Stricter than that in one point: a day of the month and a day of the week
together are refused, because cron takes either of them and people expect both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bot.domain.errors import Invalid

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_DAY = timedelta(days=1)
# A leap year, so that it has every date.
_ANY_YEAR = 2024
# Between two 29ths of February there may be eight years.
_LOOKED_AHEAD = 9 * 366


@dataclass(frozen=True)
class Field:
    """One field: its name, its least and greatest number, and names for them from the least on."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        """Return the numbers that a field means. Raises Invalid."""
        found: set[int] = set()
        for part in text.split(","):
            match = _PART.fullmatch(part)
            if match is None:
                raise Invalid(f"{part or 'nothing'} is not {self._one}: {self._known}")
            star, first, last, step = match.groups()
            if step is not None and (not int(step) or not (star or last)):
                raise Invalid(f"{part}: a step follows `*` or a range, and is at least 1, such as `*/15`")
            least = self.least if star else self._number(first)
            most = self.most if star else self._number(last or first)
            if most < least:
                raise Invalid(f"{part}: the range ends before it begins")
            found.update(range(least, most + 1, int(step or 1)))
        return frozenset(found)

    def _number(self, word: str) -> int:
        if word.lower() in self.names:
            return self.names.index(word.lower()) + self.least
        if not (word.isascii() and word.isdigit()) or not self.least <= int(word) <= self.most:
            raise Invalid(f"{word} is not {self._one}: {self._known}")
        return int(word)

    @property
    def _one(self) -> str:
        return f"{'an' if self.name == 'hour' else 'a'} {self.name}"

    @property
    def _known(self) -> str:
        names = f", or {self.names[0].upper()} to {self.names[-1].upper()}" if self.names else ""
        return f"use {self.least} to {self.most}{names}"


_FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, _MONTHS),
    # 0 and 7 are Sunday.
    Field("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True)
class Schedule:
    """When something happens again and again, by a clock on the wall: without a time zone."""

    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def back_from(self, at: datetime, days: int) -> Iterator[datetime]:
        """Yield the times at or before a naive one, the latest first, over so many days."""
        for number in range(days + 1):
            day = at.date() - number * _DAY
            if self._on(day):
                for each in reversed(self.times):
                    if (found := datetime.combine(day, each)) <= at:
                        yield found

    def on_from(self, at: datetime) -> Iterator[datetime]:
        """Yield the times at or after a naive one, the earliest first, over some years."""
        for number in range(_LOOKED_AHEAD):
            day = at.date() + number * _DAY
            if self._on(day):
                for each in self.times:
                    if (found := datetime.combine(day, each)) >= at:
                        yield found

    def _on(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays


def parse_schedule(text: str) -> Schedule:
    """Read the five fields of cron. Raises Invalid, which says which one is wrong and how to write it."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(field.name for field in _FIELDS)
        raise Invalid(f"it has {len(fields)} fields, not 5: {names}; such as `0 16 * * FRI`")
    minutes, hours, days, months, weekdays = (
        field.read(word) for field, word in zip(_FIELDS, fields, strict=True)
    )
    if not fields[2].startswith("*") and not fields[4].startswith("*"):
        raise Invalid("it says a day of the month and a day of the week: write `*` for one of them")
    times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
    found = Schedule(times, days, months, frozenset(day % 7 for day in weekdays))
    if not any(_is_date(day, month) for month in months for day in days):
        raise Invalid("there is no such date in any year")
    return found


def _is_date(day: int, month: int) -> bool:
    try:
        date(_ANY_YEAR, month, day)
    except ValueError:
        return False
    return True
