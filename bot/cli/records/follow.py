"""Following a run at the terminal: its output as it comes, and its end.

A server that is away for a while is asked again, from where the output ended.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import click

from bot.cli.records.output import printable
from bot.cli.records.records import Away, Document, Records
from bot.domain.errors import StoreUnavailable
from bot.domain.runs import lifecycle

PATIENCE = 600.0
"""For how many seconds a server that does not answer is asked again."""

_PAUSE = 1.0
_STAGES = ("plan", "apply")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FAILED = frozenset({"errored", "canceled", "discarded", "policy_soft_failed"})
_PAUSES = frozenset(status.value for status in lifecycle.FINAL | lifecycle.AWAITS_PERSON)

_T = TypeVar("_T")


def failed(run: Document) -> bool:
    """Whether a run has ended without its result: it errored, or was canceled or discarded."""
    return run["status"] in _FAILED


def has_paused(run: Document) -> bool:
    """Whether nothing more happens in a run by itself: it is finished, or waits for a person."""
    return run["status"] in _PAUSES


def await_pause(records: Records, run_id: str) -> Document:
    """Wait until a run is finished or waits for a person; return it."""
    while True:
        run = _patiently(partial(records.run, run_id))
        if has_paused(run):
            return run
        time.sleep(_PAUSE)


def show_output(records: Records, run_id: str, stage: str) -> None:
    """Print the output so far, of both stages without the name of one."""
    for each in (stage,) if stage else _STAGES:
        printer, after = _Printer(), ""
        while True:
            piece = records.output(run_id, each, after)
            printer.write(piece)
            after = piece["after"]
            if not piece["text"]:
                break
        printer.finish()


def follow_output(records: Records, run_id: str, stage: str) -> Document:
    """Print the output as it comes, until the stage has ended; return the run.

    Without the name of a stage: until the run is finished or waits for a person.
    """
    for each in (stage,) if stage else _STAGES:
        if not stage and each == "apply" and not _comes_to_apply(records, run_id):
            break
        _follow_stage(records, run_id, each)
    return await_pause(records, run_id) if not stage else _patiently(partial(records.run, run_id))


def _comes_to_apply(records: Records, run_id: str) -> bool:
    """Wait until the apply of a run has begun; False if the run has paused before."""
    while True:
        run = _patiently(partial(records.run, run_id))
        if run["apply"] != "pending":
            return True
        if has_paused(run):
            return False
        time.sleep(_PAUSE)


def _follow_stage(records: Records, run_id: str, stage: str) -> None:
    printer, after = _Printer(), ""
    while True:
        piece = _patiently(partial(records.output, run_id, stage, after))
        if piece["anew"] and after:
            printer.finish()
            click.echo(f"the {stage} has begun again; its output follows from the beginning", err=True)
        printer.write(piece)
        after = piece["after"]
        if piece["complete"]:
            return printer.finish()
        if not piece["text"]:
            time.sleep(_PAUSE)


def _patiently(ask: Callable[[], _T]) -> _T:
    """Return an answer; while the server or the database is away, ask again, and say so once."""
    until, told = time.monotonic() + PATIENCE, False
    while True:
        try:
            found = ask()
        except (Away, StoreUnavailable) as error:
            if time.monotonic() >= until:
                raise
            if not told:
                click.echo(f"{printable(str(error))}; trying again", err=True)
                told = True
            time.sleep(_PAUSE)
            continue
        if told:
            click.echo("it answers again", err=True)
        return found


class _Printer:
    """Prints whole lines, without colours and without what would move the cursor (promise 5)."""

    def __init__(self) -> None:
        self._rest = ""

    def write(self, piece: Document) -> None:
        """Print the lines that have ended with this piece."""
        if piece["anew"]:
            self._rest = ""
        lines = (self._rest + piece["text"]).split("\n")
        self._rest = lines.pop()
        for line in lines:
            self._print(line)

    def finish(self) -> None:
        """Print a last line that has no end."""
        if self._rest:
            self._print(self._rest)
        self._rest = ""

    @staticmethod
    def _print(line: str) -> None:
        click.echo(printable(_COLOURS.sub("", line.removesuffix("\r"))))
