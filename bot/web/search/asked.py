"""Reads which runs are asked for: the fields of the form, and the text from the top of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from bot.domain.errors import Invalid
from bot.services.ports import RunSearchQuery, RunState
from bot.web.page import elements
from bot.web.request import bodies
from bot.web.search.context import Fields

NAMES = ("workspace", "repo", "person", "branch", "commit", "change", "since", "until")

_COMMIT = re.compile(r"[0-9a-f]{5,64}")
_CHANGE = re.compile(r"[#!]?([0-9]{1,9})")
RUN_ID = re.compile(r"run-[A-Za-z0-9]{16,24}")
_NOWHERE = -1


def fields(arguments: Mapping[str, str]) -> Fields:
    """Return the fields of the form. A field that can't be read is named, and matches nothing."""
    read = {name: bodies.cleaned(arguments.get(name, "")) for name in (*NAMES, "q")}
    state = arguments.get("state", "")
    known = state if state in set(RunState) else RunState.ALL.value
    problem = ""
    if read["commit"] and not re.fullmatch("[0-9a-f]{1,64}", read["commit"].lower()):
        problem = "A commit id has only the digits 0 to 9 and the letters a to f."
    if read["change"] and not _CHANGE.fullmatch(read["change"]):
        problem = "A change is named by its number."
    try:
        for name in ("since", "until"):
            elements.day(read[name])
    except Invalid as error:
        problem = f"{str(error)[:1].upper()}{str(error)[1:]}."
    return Fields(state=known, problem=problem, **read)


def query(asked: Fields) -> RunSearchQuery:
    """Return the query of the form's fields, without the text."""
    until = None if asked.problem else elements.day(asked.until)
    number = _CHANGE.fullmatch(asked.change)
    return RunSearchQuery(
        state=RunState(asked.state),
        workspace=asked.workspace,
        repo=asked.repo,
        person=asked.person,
        branch=asked.branch,
        commit=asked.commit.lower(),
        change_number=_NOWHERE if asked.problem else int(number[1]) if number else None,
        since=None if asked.problem else elements.day(asked.since),
        # The day that is named counts as a whole.
        until=until + timedelta(days=1) if until else None,
    )


def readings(base: RunSearchQuery, text: str) -> Iterator[RunSearchQuery]:
    """Yield what a text may mean, the narrowest first: a commit, a change's number, words."""
    if not text:
        yield base
        return
    if base.change_number is None and (number := _CHANGE.fullmatch(text)):
        yield replace(base, change_number=int(number[1]))
    if not base.commit and _COMMIT.fullmatch(text.lower()):
        yield replace(base, commit=text.lower())
    yield replace(base, words=tuple(text.split()))
