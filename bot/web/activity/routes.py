"""The page of what people did, with filters, and its export as CSV and as lines of JSON.

Owners see every line; the person who administers a repository sees its lines; everybody sees their own.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from bot.domain.errors import NotFound
from bot.domain.people.audit import AuditAction, AuditEntry, AuditResult
from bot.domain.people.permissions import Role
from bot.services.ports import AuditQuery
from bot.web.activity.context import ActivityFilter, ActivityPage, ActivityRow
from bot.web.page import elements, wording
from bot.web.page.layout import Badge, Filter, Link, Tone
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services

PER_PAGE = 50
AT_ONCE = 500
"""How many lines an export reads from the database at a time."""

blueprint = Blueprint("activity", __name__)

_FIELDS = (
    *("id", "at", "login", "forge", "role", "via", "address", "token"),
    *("action", "workspace", "repository", "subject", "detail", "outcome", "reason"),
)
# A spreadsheet takes a cell that begins so for a formula, and would run it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@blueprint.get("/activity")
def show() -> str:
    """Show the lines, newest first."""
    person = access.person_asking()
    number, now = elements.page_number(), services().clock.now()
    query = replace(_query(), limit=PER_PAGE + 1, offset=(number - 1) * PER_PAGE)
    with services().store.reading() as tx:
        found = tx.audit.find(query)
    asked = {name: value for name in _NAMES if (value := request.args.get(name, "")[:200])}
    page = ActivityPage(
        chrome=elements.chrome("Activity", person, "activity"),
        rows=tuple(_row(entry, now) for entry in found[:PER_PAGE]),
        pager=elements.pager(number, len(found) > PER_PAGE, ".show", **asked),
        filter=ActivityFilter(
            person=asked.get("person", ""),
            action=asked.get("action", ""),
            actions=tuple(deed.value for deed in AuditAction),
            workspace=asked.get("workspace", ""),
            since=asked.get("since", ""),
            until=asked.get("until", ""),
        ),
        csv_url=_export_url("csv", asked),
        json_url=_export_url("jsonl", asked),
        filtered=bool(asked),
        ranges=_ranges(asked, now),
        notifications_url=url_for("notifications.show") if person.role >= Role.OWNER else "",
    )
    return render_template("activity.html", page=page)


@blueprint.get("/activity.<form>")
def export(form: str) -> Response:
    """Stream all matching lines, newest first, in chunks."""
    if form not in ("csv", "jsonl"):
        raise NotFound("what people did can be had as .csv or as .jsonl")
    pages = _pages(replace(_query(), limit=AT_ONCE))
    body, kind = (_csv(pages), "text/csv") if form == "csv" else (_json_lines(pages), "application/jsonl")
    answer = Response(body, mimetype=kind)
    answer.headers.set("Content-Disposition", "attachment", filename=f"plangate-activity.{form}")
    return answer


# Each with its first and its last day, in days before today.
_RANGES = (
    ("Any time", None, 0),
    ("Today", 0, 0),
    ("Yesterday", 1, 1),
    ("Last 7 days", 6, 0),
    ("Last 30 days", 29, 0),
)
_NAMES = ("person", "action", "workspace", "since", "until")


def _ranges(asked: dict[str, str], now: datetime) -> tuple[Filter, ...]:
    """Return the ranges of days that people ask for most. They keep the other filters."""
    others = {name: value for name, value in asked.items() if name not in ("since", "until")}
    chosen = (asked.get("since", ""), asked.get("until", ""))
    found = []
    for label, first, last in _RANGES:
        since = (now - timedelta(days=first)).date().isoformat() if first is not None else ""
        until = (now - timedelta(days=last)).date().isoformat() if last else ""
        values: dict[str, Any] = others | {"since": since or None, "until": until or None}
        found.append(Filter(label, url_for(".show", **values), None, chosen == (since, until)))
    return tuple(found)


def _export_url(form: str, asked: dict[str, str]) -> str:
    values: dict[str, Any] = {"form": form, **asked}
    return url_for(".export", **values)


def _query() -> AuditQuery:
    """Return the query, limited to what this person may see."""
    asked = {name: request.args.get(name, "").strip()[:200] for name in _NAMES}
    until = elements.day(asked["until"])
    query = AuditQuery(
        login=asked["person"],
        deed=asked["action"],
        workspace=asked["workspace"],
        since=elements.day(asked["since"]),
        # The day that is named counts as a whole.
        until=until + timedelta(days=1) if until else None,
    )
    if access.person_asking().role >= Role.ADMIN:
        return query
    with services().store.reading() as tx:
        repos = {workspace.repo for workspace in tx.workspaces.all()}
    administered = frozenset(repo for repo, role in access.roles(repos).items() if role >= Role.ADMIN)
    return replace(query, repos=administered, own=access.asker().account)


def _pages(query: AuditQuery) -> Iterator[AuditEntry]:
    store = services().store

    def lines() -> Iterator[AuditEntry]:
        part = query
        while True:
            with store.reading() as tx:
                found = tx.audit.find(part)
            yield from found
            if len(found) < part.limit:
                return
            part = replace(part, before=found[-1].id)

    return lines()


def _csv(entries: Iterator[AuditEntry]) -> Iterator[str]:
    yield _csv_line(_FIELDS)
    for entry in entries:
        yield _csv_line([_tame(value) for value in _values(entry)])


def _csv_line(cells: tuple[str, ...] | list[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _tame(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _json_lines(entries: Iterator[AuditEntry]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(dict(zip(_FIELDS, _values(entry), strict=True)), ensure_ascii=False) + "\n"


def _values(entry: AuditEntry) -> list[str]:
    return [
        str(entry.id),
        entry.at.isoformat(),
        entry.login,
        entry.forge,
        "" if entry.role is Role.NONE else entry.role.name.lower(),
        entry.via.value,
        entry.address,
        entry.token,
        entry.deed.value,
        entry.workspace,
        str(entry.repo or ""),
        entry.subject,
        entry.detail,
        entry.ending.value,
        entry.why,
    ]


def _row(entry: AuditEntry, now: datetime) -> ActivityRow:
    refused = entry.ending is AuditResult.REFUSED
    url = elements.run_url(entry.subject) if entry.subject.startswith("run-") and entry.repo else ""
    place = elements.workspace_url(entry.workspace) if entry.workspace else ""
    role = "" if entry.role is Role.NONE else entry.role.name.lower()
    by = f"with the token {entry.token}" if entry.token else entry.via.value
    return ActivityRow(
        badge=Badge("Refused", Tone.BAD) if refused else Badge("Done", Tone.GOOD),
        who=harmless(entry.login),
        role=role,
        deed=entry.deed.value,
        workspace=Link(harmless(entry.workspace), place),
        subject=Link(harmless(entry.subject), url),
        detail=harmless(entry.detail),
        why=harmless(" ".join(entry.why.split())),
        origin=harmless(" · ".join(part for part in (by, entry.address) if part)),
        when=wording.moment(entry.at, now),
    )
