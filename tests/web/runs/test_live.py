"""How a run's page follows the run: nothing comes twice, nothing is lost, and streams are few."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent
from bot.web.runs import live
from bot.web.runs.cursor import Cursor, read_cursor
from bot.web.runs.live import Streams
from tests.web.conftest import World


@dataclass
class Reader:
    """A page that follows a run, by `events` or by `news`, and keeps what it was told."""

    world: World
    run: Run
    way: str
    seen: str = ""

    def ask(self) -> list[tuple[str, Any]]:
        """Return what is new, as names and data."""
        return self._events() if self.way == "events" else self._news()

    def lines(self, stage: str = "plan") -> list[str | None]:
        """Return the lines that are new, as people see them, with their numbers; `None` begins anew."""
        found: list[str | None] = []
        for name, data in self.ask():
            if name == "output" and data["stage"] == stage:
                found += [None] if data["anew"] else []
                found += [line.partition(">")[2].replace("</a>", " ").replace("</span>", "").split(">")[-1]
                          for line in data["html"].split("\n</span>") if line]  # fmt: skip
        return found

    def _news(self) -> list[tuple[str, Any]]:
        answer = self.world.client.get(f"/runs/{self.run.id}/news", query_string={"after": self.seen})
        assert answer.status_code == 200
        self.seen = answer.get_json()["seen"]
        return [(event["name"], event["data"]) for event in answer.get_json()["events"]]

    def _events(self) -> list[tuple[str, Any]]:
        headers = {"Last-Event-ID": self.seen} if self.seen else {}
        answer = self.world.client.get(f"/runs/{self.run.id}/events", headers=headers)
        assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"
        found = []
        blocks = answer.get_data(as_text=True).split("\n\n")
        answer.close()
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line[1:])
            if "event" in fields:
                self.seen = fields["id"]
                found.append((fields["event"], json.loads(fields["data"])))
        return found


@pytest.fixture(params=["events", "news"])
def reader(request: pytest.FixtureRequest, world: World) -> Reader:
    live.install(world.app, Streams(most=1, looks=2, pause=0))
    run = world.run(world.workspace(), status=RunStatus.PLANNING, plan_status=StageStatus.RUNNING)
    return Reader(world, run, request.param)


def append(reader: Reader, more: str, stage: str = "plan") -> None:
    with reader.world.services.store.transaction() as tx:
        tx.artifacts.append_output(reader.run.id, stage, more)


def move(reader: Reader, to: RunStatus, **changes: Any) -> None:
    clock = reader.world.services.clock
    with reader.world.services.store.transaction() as tx:
        run = tx.runs.get(reader.run.id).move(to, clock.now(), **changes)
        tx.runs.save(run, RunEvent(run.id, clock.now(), to.value, "", ""))


def test_lines_come_once_each_when_they_are_whole(reader: Reader) -> None:
    assert reader.lines() == []
    append(reader, "first\nsec")
    assert reader.lines() == [None, "1 first"]
    assert reader.lines() == []
    append(reader, "ond\nthird\n")
    assert reader.lines() == ["2 second", "3 third"]
    append(reader, "the last, without an end")
    move(reader, RunStatus.ERRORED)
    assert reader.lines() == ["4 the last, without an end"]
    assert reader.lines() == []


def test_a_page_goes_on_from_what_it_shows(reader: Reader) -> None:
    append(reader, "first\nsecond\n")
    page = reader.world.client.get(f"/runs/{reader.run.id}").get_data(as_text=True)
    reader.seen = page.partition('data-cursor="')[2].partition('"')[0]
    assert reader.ask() == []
    append(reader, "third\n")
    assert reader.lines() == ["3 third"]


def test_a_stage_that_begins_again_begins_anew_on_the_page(reader: Reader) -> None:
    append(reader, "first try\nand more of it\n")
    reader.ask()
    with reader.world.services.store.transaction() as tx:
        tx.artifacts.clear_output(reader.run.id, "plan")
    assert reader.lines() == [None]
    append(reader, "second try\n")
    assert reader.lines() == [None, "1 second try"]
    with reader.world.services.store.transaction() as tx:
        tx.artifacts.clear_output(reader.run.id, "plan")
        tx.artifacts.append_output(reader.run.id, "plan", "third try\nwhich is longer\n")
    assert reader.lines() == [None, "1 third try", "2 which is longer"]


def test_somebody_who_was_away_for_long_gets_the_end(reader: Reader) -> None:
    append(reader, "first\n")
    reader.ask()
    append(reader, "".join(f"line {number}\n" for number in range(2, 5002)))
    found = reader.lines()
    assert (found[0], found[1], found[-1], len(found)) == (None, "3002 line 3002", "5001 line 5001", 2001)


def test_whatever_is_handed_back_the_page_gets_what_there_is(reader: Reader) -> None:
    append(reader, "first\n")
    for odd in ("x", "a.1-1-1.2", "f.99-9-9.0-0-0", f"f.{'9' * 40}-1-1.0-0-0", "\u00b2.0-0-0.0-0-0"):
        reader.seen = odd.encode("utf-8").decode("latin-1")
        assert reader.lines() == [None, "1 first"], odd


def test_a_change_of_state_is_told_once_and_the_end_too(reader: Reader) -> None:
    reader.ask()
    move(reader, RunStatus.PLANNED)
    assert [name for name, _ in reader.ask()] == ["state"]
    assert reader.ask() == []
    with reader.world.services.store.transaction() as tx:
        tx.runs.note(RunEvent(reader.run.id, reader.world.services.clock.now(), "comment", "ana", "Hm."))
    assert [name for name, _ in reader.ask()] == ["state"]
    move(reader, RunStatus.DISCARDED)
    assert [name for name, _ in reader.ask()] == ["state", "end"]


def test_a_force_cancel_that_becomes_possible_is_told(reader: Reader) -> None:
    with reader.world.services.store.transaction() as tx:
        run = tx.runs.get(reader.run.id)
        clock = reader.world.clock
        tx.runs.save(replace(run, cancel_requested_by="bob", cancel_requested_at=clock.now()))
    reader.ask()
    assert reader.ask() == []
    clock.pass_by(reader.world.services.config.cool_off)
    assert [name for name, _ in reader.ask()] == ["state"]


def test_an_apply_tells_how_far_it_is(world: World) -> None:
    live.install(world.app, Streams(most=1, looks=2, pause=0))
    run = world.run(
        world.workspace(), status=RunStatus.APPLYING, apply_status=StageStatus.RUNNING, counts=Counts(2)
    )
    for way in ("events", "news"):
        reader = Reader(world, run, way)
        append(reader, "a.b: Creating...\na.b: Creation complete after 1s\n", "apply")
        told = [data["html"] for name, data in reader.ask() if name == "progress"]
        assert "of 2 done" in told[-1]
    assert "2 of 2 done" in told[-1]


def test_streams_are_few_and_a_place_is_free_again_when_one_ends(world: World) -> None:
    live.install(world.app, Streams(most=1, looks=2, pause=0))
    run = world.run(world.workspace(), status=RunStatus.PLANNING)
    path = f"/runs/{run.id}/events"
    first = world.client.get(path)
    second = world.client.get(path)
    assert (first.status_code, second.status_code) == (200, 503)
    assert second.headers["Retry-After"]
    first.close()
    third = world.client.get(path)
    assert third.status_code == 200
    third.close()
    assert world.client.get("/runs/run-nowhere/events").status_code == 404
    assert world.client.get("/runs/run-nowhere/news").status_code == 404


def test_streams_end_when_the_server_is_about_to_stop(world: World) -> None:
    streams = Streams(most=1, looks=1_000_000, pause=0)
    live.install(world.app, streams)
    streams.end_when(lambda: True)
    run = world.run(world.workspace(), status=RunStatus.PLANNING)
    assert "event: state" in world.client.get(f"/runs/{run.id}/events").get_data(as_text=True)


def test_what_a_page_has_reads_as_it_was_written() -> None:
    seen = read_cursor("0a1b.12-3-456.7-8-9")
    assert str(seen) == "0a1b.12-3-456.7-8-9"
    assert read_cursor("rubbish") == Cursor()
