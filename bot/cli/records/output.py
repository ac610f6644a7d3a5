"""Output of records at the command line: documents as lines for people, as JSON for programs.

Everything in a document may come from a repository, or from a server elsewhere. No character reaches the
terminal that would move its cursor or colour it (promise 5).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import click

from bot.cli.records.records import Document
from bot.domain.plans.modes import Modes
from bot.domain.plans.plan import Counts
from bot.domain.runs import lifecycle

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_BEYOND = 0x10000


def echo_json(document: object) -> None:
    """Print a document."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text))


def printable(text: str) -> str:
    """Return text without what would move the terminal's cursor or colour it (promise 5)."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def word(text: object) -> str:
    """Return text for the middle of a line: line breaks and tabs are escaped, too."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(text))


def run_line(run: Document) -> str:
    """Return a run as one line, with why it waits."""
    kind = "preview" if run["plan_only"] else "run"
    modes = run["modes"]
    flags = Modes(modes["destroy"], modes["refresh_only"], tuple(modes["replace"]), tuple(modes["target"]))
    parts = [
        f"{word(run['id'])}  {word(run['status']):<20} {word(run['workspace'])}  {word(run['commit'][:7])}  "
        f"{kind} by {word(run['created_by'])}",
        word(flags),
        _counts(run),
        word(run["message"].partition("\n")[0][:60]),
    ]
    line = "  ".join(part for part in parts if part)
    return f"{line}\n    {word(run['waits'])}" if run["waits"] else line


def run_lines(run: Document) -> Iterator[str]:
    """Show a run: its status, the possible actions, and its timeline."""
    yield run_line(run)
    status = run["status"]
    label = lifecycle.LABELS[lifecycle.RunStatus(status)] if status in set(lifecycle.RunStatus) else status
    yield f"    {word(label)}, {_moment(run['status_at']):%Y-%m-%d %H:%M:%S} UTC"
    for name, key in (("since it was approved", "delta"), ("lacks", "lacks"), ("error", "error")):
        if run[key]:
            yield f"    {name}: {printable(run[key])}"
    yield f"    possible now: {', '.join(map(word, run['possible'])) or 'nothing'}"
    for event in run["timeline"]:
        yield _event_line(event)


def workspace_line(workspace: Document) -> str:
    """Return a workspace as one line, with its locks and how many runs are in its queue."""
    branch = word(workspace["branch"] or "default branch")
    repository = workspace["repository"].partition(":")[2]
    place = "/".join(word(part) for part in (repository, workspace["working_directory"]) if part)
    queue, lock, state_lock = workspace["queue"], workspace["lock"], workspace["state_lock"]
    parts = [f"{word(workspace['name'])}  {place} ({branch})", f"{queue} in the queue" if queue else ""]
    if lock is not None:
        because = f": {word(lock['reason'])}" if lock["reason"] else ""
        parts.append(f"locked by {word(lock['by'])}{because}")
    if state_lock is not None:
        parts.append(f"state locked by {word(state_lock['run'] or 'nobody we know')}")
    return "  ".join(part for part in parts if part)


def variable_line(one: Document) -> str:
    """Return a variable as one line, with its source and what wins over it."""
    value = "(sensitive, write only)" if one["value"] is None else one["value"]
    first, *more = value.splitlines() or [""]
    shown = first[:80] + ("…" if more or len(first) > 80 else "")
    kind = "env" if one["category"] == "env" else "hcl" if one["hcl"] else "terraform"
    hidden = f", hidden by {word(one['hidden_by'])}" if one["hidden_by"] else ""
    phase = "" if one["phase"] == "both" else f", {word(one['phase'])} only"
    source = "the workspace" if one["from_set"] is None else f"the set {one['from_set']}"
    about = f"{kind}{phase}, from {word(source)}, set by {word(one['set_by'])}{hidden}"
    return f"{word(one['key'])} = {word(shown)}  [{about}]"


def state_line(one: Document) -> str:
    """Return a version of a state as one line; the current one has a star."""
    mark = "*" if one["current"] else "x" if one["refused"] else " "
    made = word(one["run"] or one["note"] or one["made_by"] or "")
    refused = f"  refused: {word(one['refused'])}" if one["refused"] else ""
    when = f"{_moment(one['created_at']):%Y-%m-%d %H:%M} UTC"
    return f"{mark} {word(one['id'])}  serial {one['serial']:<4} {when}  {made}{refused}"


def state_lines(one: Document) -> Iterator[str]:
    """Show a version of a state: its outputs and resources, without secrets."""
    yield state_line(one)
    yield f"lineage {word(one['lineage'])}, md5 {word(one['md5'])}, {one['size']} bytes"
    if one["terraform_version"]:
        yield f"written by version {word(one['terraform_version'])}"
    yield f"\n{len(one['outputs'])} outputs"
    for output in one["outputs"]:
        value = "(sensitive)" if output["value"] is None else output["value"]
        yield f"  {word(output['name'])} = {printable(value)}"
    yield f"\n{len(one['resources'])} resources"
    for resource in one["resources"]:
        count = f"  x {resource['instances']}" if resource["instances"] != 1 else ""
        yield f"  {word(resource['address'])}{count}"


def why_lines(why: Document) -> Iterator[str]:
    """Show why a run or a change is where it is, workspace by workspace."""
    yield f"{word(why['about'])}, as of commit {word(why['commit'][:7])}"
    for section in (*why["workspaces"], *why["others"]):
        yield f"\n{word(section['name'])}"
        for sentence in section["sentences"]:
            yield f"  {printable(sentence)}"
        for each in section["requirements"]:
            yield f"  {'✓' if each['met'] else '✗'} {word(each['requirement'])}: {printable(each['why'])}"
        if section["run"]:
            yield f"  {word(section['run'])}"
    if why["merging"]:
        yield f"\n{printable(why['merging'])}"
    if why["problem"]:
        yield f"\n{printable(why['problem'])}"


def _counts(run: Document) -> str:
    counts = run["counts"]
    if not counts:
        return ""
    found = Counts(counts["add"], counts["change"], counts["destroy"], counts["imports"])
    return str(found) if found else ""


def _event_line(event: Document) -> str:
    by = f" by {word(event['actor'])}" if event["actor"] else ""
    words = f": {printable(event['message'])}" if event["message"] else ""
    return f"    {_moment(event['at']):%H:%M:%S}  {word(event['kind'])}{by}{words}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _escaped(character: str) -> str:
    """Return a character as JSON escapes it: in two halves if it needs more than 16 bits."""
    number = ord(character)
    if number < _BEYOND:
        return f"\\u{number:04x}"
    rest = number - _BEYOND
    return f"\\u{0xD800 + (rest >> 10):04x}\\u{0xDC00 + (rest & 0x3FF):04x}"
