"""The picture of the estate: workspaces by state, what connects them, recent runs, and how long they take."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from flask import Blueprint, render_template, request, url_for

from bot.services.ports import OverviewQuery
from bot.services.runs.durations import MOST_TIMED, recent_lengths
from bot.web.estate import figures, groups
from bot.web.estate.context import EstatePage
from bot.web.page import elements
from bot.web.request import access, bodies
from bot.web.request.services import services

blueprint = Blueprint("estate", __name__)


@blueprint.get("/estate")
def show() -> str:
    """Show all workspaces that the person may see. The number of queries does not depend on how many."""
    text, repos = bodies.cleaned(request.args.get("q", "")), access.repos()
    now = services().clock.now().astimezone(UTC)
    since = datetime.combine(now.date() - timedelta(days=figures.DAYS - 1), time(), UTC)
    with services().store.reading() as tx:
        everything = tx.workspaces.all()
        runs = tx.overviews.runs(OverviewQuery(repos=repos))
        days = tx.run_figures.days(since, repos)
        lengths = recent_lengths(tx, since, repos)
    workspaces = [each for each in everything if repos is None or each.repo in repos]
    cards, rest = groups.build(workspaces, runs, text)
    page = EstatePage(
        chrome=elements.chrome("Estate", access.person_asking(), "estate"),
        total=len(workspaces),
        shares=figures.shares(workspaces, runs),
        recent=figures.recent(days, now.date()),
        weeks=figures.weeks(lengths, now),
        slowest=figures.slowest(lengths, workspaces),
        timed=f"Of the newest {MOST_TIMED:,} runs at most.",
        groups=cards,
        rest=rest,
        q=text,
        clear_url=url_for(".show"),
    )
    return render_template("estate.html", page=page)
