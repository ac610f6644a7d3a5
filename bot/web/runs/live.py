"""A run's page follows the run: by server-sent events, or asked for every few seconds if there are none.

An event says that something of the page has changed (the page then asks for itself and takes over what is
other), or brings new lines of output, or how far the apply is. Each carries as its id what the page has once
it has the event (cursor.py): a browser whose connection broke hands it back and goes on from there.

A stream holds one of the server's threads, so there are few, each for less than a minute, and none holds a
database connection while it waits. Whoever finds none free asks for `news` instead.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    render_template,
    request,
    stream_with_context,
)

from bot.domain.errors import NotFound, PlangateError
from bot.domain.plans.progress import ApplyReader
from bot.domain.runs.run import Run
from bot.services.ports import Transaction
from bot.services.runs.output_pieces import STAGES
from bot.services.runs.queue_position import why_it_waits
from bot.web.page.output import html_of, lines_of
from bot.web.request.services import services
from bot.web.runs import build as run_page
from bot.web.runs import cards
from bot.web.runs.cards import is_running
from bot.web.runs.cursor import Cursor, new_output, read_cursor

LINES = 10_000
"""How many earlier lines of output come at once."""

_QUIET = 5
_PLACE = "plangate_streams"

blueprint = Blueprint("live", __name__)


class Streams:
    """The open streams of this process: their greatest number, looks per stream, and seconds between looks.

    With these values, a browser opens a new stream after 50 seconds.
    """

    def __init__(self, most: int = 4, looks: int = 125, pause: float = 0.4) -> None:
        self.looks = looks
        self.most = most
        self._pause = pause
        self._free = threading.BoundedSemaphore(most) if most else None
        self._never = threading.Event()
        self._is_over: Callable[[], bool] = lambda: False

    def end_when(self, over: Callable[[], bool]) -> None:
        """End all streams at their next look after `over` returns true: the server is about to stop."""
        self._is_over = over

    def wait(self) -> bool:
        """Pause; False if there is nothing more to wait for."""
        self._never.wait(self._pause)
        return not self._is_over()

    def take(self) -> bool:
        """Take a place; False if none is free."""
        return self._free is not None and self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Release a place."""
        if self._free is not None:
            self._free.release()


def install(app: Flask, streams: Streams) -> None:
    """Register the streams for the views of an app."""
    app.extensions[_PLACE] = streams


@dataclass(frozen=True)
class Event:
    """An update for a page; `cursor` is the page's cursor after it."""

    name: str
    data: dict[str, object]
    cursor: Cursor


@dataclass
class Follower:
    """Follows a run for a page: each look returns what the page does not have yet."""

    run_id: str
    cursor: Cursor
    over: bool = False
    _reader: ApplyReader | None = field(default=None, repr=False)

    def look(self, tx: Transaction) -> list[Event]:
        """Return what is new since the last look. Raises NotFound."""
        run = tx.runs.get(self.run_id)
        waits = why_it_waits(tx, tx.workspaces.get(run.workspace_id), run)
        signature = run_page.signature(run, tx.runs.timeline(run.id), waits)
        found = []
        for stage in STAGES:
            found += self._output(tx, run, stage)
        if signature != self.cursor.signature:
            self.cursor = replace(self.cursor, signature=signature)
            # After the output, so that a page which learns that the run is final has all of it.
            found.append(Event("state", {}, self.cursor))
        if run.final:
            self.over = True
            found.append(Event("end", {}, self.cursor))
        return found

    def _output(self, tx: Transaction, run: Run, stage: str) -> list[Event]:
        piece = new_output(tx, run.id, stage, self.cursor.of(stage), running=is_running(run, stage))
        if piece is None:
            return []
        self.cursor = self.cursor.moved(stage, piece.place)
        html = html_of(piece.lines, stage, piece.first)
        data = {"stage": stage, "anew": piece.anew, "first": piece.first, "html": html}
        found = [Event("output", data, self.cursor)]
        if stage == "apply" and is_running(run, stage):
            found += self._progress(tx, run, piece.text, piece.anew)
        return found

    def _progress(self, tx: Transaction, run: Run, text: str, anew: bool) -> list[Event]:
        if self._reader is None or anew:
            self._reader, text = ApplyReader(run.counts), tx.artifacts.output(run.id, "apply")
        self._reader.feed(text)
        bar = cards.progress_bar(self._reader.progress)
        html = render_template("run_progress.html", progress=bar)
        return [Event("progress", {"html": html}, self.cursor)]


@blueprint.get("/runs/<run_id>/events")
def events(run_id: str) -> Response:
    """Stream the updates of a run from the browser's cursor on. 503 if no place is free."""
    follower = Follower(run_id, _handed_back())
    with services().store.reading() as tx:
        tx.runs.get(run_id)
    streams = cast(Streams, current_app.extensions[_PLACE])
    if not streams.take():
        busy = Response("All streams are in use: poll the news instead.\n", 503, mimetype="text/plain")
        busy.headers["Retry-After"] = "15"
        return busy
    said = Response(stream_with_context(_stream(follower, streams)), mimetype="text/event-stream")
    # However the connection ends, also before the first event is read.
    said.call_on_close(streams.give_back)
    # A proxy that gathers a page before it hands it on would hand on nothing for a long time.
    said.headers["X-Accel-Buffering"] = "no"
    said.headers["Cache-Control"] = "no-store, no-transform"
    return said


@blueprint.get("/runs/<run_id>/news")
def news(run_id: str) -> Response:
    """Return the new updates once, for browsers and proxies without streams."""
    follower = Follower(run_id, _handed_back())
    with services().store.reading() as tx:
        found = follower.look(tx)
    told = [{"name": event.name, "data": event.data} for event in found]
    return jsonify(events=told, seen=str(follower.cursor))


@blueprint.get("/runs/<run_id>/lines/<stage>")
def lines(run_id: str, stage: str) -> str:
    """Return the lines of a stage's output before `before`, as many as fit into one answer."""
    if stage not in STAGES:
        raise NotFound(f"a run has a plan and an apply, but no {stage}")
    asked = request.args.get("before", "")[:10]
    before = int(asked) if asked.isascii() and asked.isdigit() else 0
    with services().store.reading() as tx:
        tx.runs.get(run_id)
        found = lines_of(tx.artifacts.output(run_id, stage))
    end = min(max(before - 1, 0), len(found))
    begin = max(0, end - LINES)
    return html_of(found[begin:end], stage, begin + 1)


def _handed_back() -> Cursor:
    return read_cursor(request.headers.get("Last-Event-ID") or request.args.get("after", ""))


def _stream(follower: Follower, streams: Streams) -> Iterator[str]:
    quiet = 0
    yield "retry: 500\n\n"
    for _ in range(streams.looks):
        try:
            with services().store.reading() as tx:
                found = follower.look(tx)
        except PlangateError:
            # A database that is away for a moment: the browser comes again.
            return
        for event in found:
            yield f"event: {event.name}\nid: {event.cursor}\ndata: {json.dumps(event.data)}\n\n"
        quiet = 0 if found else quiet + 1
        if quiet >= _QUIET:
            # Keeps the connection from being taken for dead, and finds out if it is.
            yield ": still here\n\n"
            quiet = 0
        if follower.over or not streams.wait():
            return
