"""The page that searches all of a stage's output: a run's page shows only its end at first."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, render_template, request, url_for
from markupsafe import Markup

from bot.domain.errors import NotFound
from bot.services.ports import Transaction
from bot.services.runs.output_pieces import STAGES
from bot.web.page import elements
from bot.web.page.layout import Link
from bot.web.page.output import harmless
from bot.web.request import access, bodies
from bot.web.request.services import services
from bot.web.runs.context import FoundLine, OutputSearchPage

MOST_FOUND = 500
"""How many lines that match are shown."""

_AROUND = 300
"""How many characters of a long line are shown on each side of what was searched for."""

blueprint = Blueprint("output_search", __name__)


@blueprint.get("/runs/<run_id>/search/<stage>")
def show(run_id: str, stage: str) -> str:
    """Show the lines of a stage's output that contain a text, whatever its case. Each leads to the run."""
    if stage not in STAGES:
        raise NotFound(f"a run has a plan and an apply, but no {stage}")
    text = bodies.cleaned(request.args.get("q", ""))
    with services().store.reading() as tx:
        run = tx.runs.get(run_id)
        found = list(_lines(tx, run_id, stage, text)) if text else []
    page = OutputSearchPage(
        chrome=elements.chrome(f"Output of the {stage} · {run_id}", access.person_asking(), "workspaces"),
        run=Link(elements.message_of(run), elements.run_url(run_id)),
        stage=stage,
        q=text,
        action=url_for(".show", run_id=run_id, stage=stage),
        words=_words(len(found), text),
        lines=tuple(found[:MOST_FOUND]),
    )
    return render_template("output_search.html", page=page)


def _words(count: int, text: str) -> str:
    if not text:
        return ""
    if count > MOST_FOUND:
        return f"The first {MOST_FOUND:,} lines that contain “{text}”. There are more."
    return f"{count:,} {'line contains' if count == 1 else 'lines contain'} “{text}”, in all of the output."


def _lines(tx: Transaction, run_id: str, stage: str, text: str) -> Iterator[FoundLine]:
    """Yield the lines that match, at most one more than are shown."""
    output = tx.artifacts.output(run_id, stage)
    # Quicker than an expression that ignores case. Places stay: only this letter becomes two small ones.
    small, wanted = output.replace("\u0130", "i").lower(), text.replace("\u0130", "i").lower()
    number, counted, at = 1, 0, small.find(wanted)
    for _ in range(MOST_FOUND + 1):
        if at < 0:
            return
        begin, end = output.rfind("\n", 0, at) + 1, output.find("\n", at)
        end = len(output) if end < 0 else end
        number, counted = number + output.count("\n", counted, begin), begin
        url = f"{elements.run_url(run_id)}#{stage}-L{number}"
        yield FoundLine(number, url, _marked(output[begin:end], at - begin, len(wanted)))
        at = small.find(wanted, end + 1)


def _marked(line: str, at: int, length: int) -> Markup:
    first, last = max(0, at - _AROUND), at + length + _AROUND
    return Markup("{}{}<mark>{}</mark>{}{}").format(
        "…" if first else "",
        harmless(line[first:at]),
        harmless(line[at : at + length]),
        harmless(line[at + length : last]),
        "…" if last < len(line) else "",
    )
