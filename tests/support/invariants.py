"""What must hold once everything has settled, whatever went wrong before (promises 2, 3 and 4).

Each function returns what is wrong, as lines for a person to read; none if all is well.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import httpx

from bot.clock import SystemClock
from bot.demo.stage import BOT, Stage
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import ArtifactKind, StateVersion
from bot.wiring import Services, build_services, world_of
from tests.support.crowd import Room

_MARKER = re.compile(r"<!-- plangate:[0-9a-f]+ -->")
_ACCEPTED = (200, 202)
_ALL = 1_000_000


def deliveries(stage: Stage, services: Services) -> Iterator[str]:
    """Each delivery that we answered well is stored, and each that is stored is handled, without an error."""
    headers = {"Authorization": f"Bearer {stage.admin_token}"}
    sent = httpx.get(f"{stage.forge_url}/playground/deliveries", headers=headers, timeout=60).json()
    with services.store.reading() as tx:
        stored = {each.id: each for each in tx.deliveries.recent(_ALL)}
    for each in sent:
        if each["status"] in _ACCEPTED and each["id"] not in stored:
            yield f"delivery {each['id']} ({each['event']}) was answered {each['status']} and is not stored"
    for delivery in stored.values():
        if delivery.handled_at is None:
            yield f"delivery {delivery.id} ({delivery.event}) is not handled: {delivery.error}"
        elif delivery.error:
            yield f"delivery {delivery.id} ({delivery.event}) failed: {delivery.error}"


def waiting(services: Services) -> Iterator[str]:
    """Nothing is due: no run, no report, no delivery, no state, no lock; the queues are empty."""
    later = services.clock.now() + timedelta(days=1)
    with services.store.reading() as tx:
        yield from (f"delivery {each} is due" for each in tx.deliveries.due(later, 1000))
        yield from (f"the report of {each} is due" for each in tx.posts.due(later, 1000))
        yield from (f"state {each.id} waits to become current" for each in tx.state_history.waiting())
        yield from (
            f"the state of {each.workspace_id} is locked: {each.info}" for each in tx.state_locks.all()
        )
    try:
        queued = services.queues.condition().waiting
    except ConnectionError as error:
        yield str(error)
        return
    yield from (f"{number} jobs wait in the queue {name}" for name, number in queued.items() if number)


def compared(services: Services, since: datetime) -> Iterator[str]:
    """Yield the repositories whose comparison with the forge began after a time, and has ended well."""
    for watch in services.catch_up.watches():
        # While a comparison goes on, it is due again in a minute.
        done = watch.due_at - watch.checked_at < timedelta(seconds=30)
        if done and watch.checked_at >= since and not watch.error:
            yield str(watch.repo)


def runs(room: Room) -> Iterator[str]:
    """Each run is final, applied at most once, and holds no lease; a branch's commit has one run."""
    seen: Counter[str] = Counter()
    with room.services.store.reading() as tx:
        for run in room.runs():
            if not run.final:
                yield f"{_name(room, run)} is not final"
            kinds = Counter(event.kind for event in tx.runs.timeline(run.id))
            if kinds["applying"] > 1:
                yield f"{_name(room, run)} began to apply {kinds['applying']} times"
            if run.status is RunStatus.ERRORED and "Plangate itself failed" in run.error:
                yield f"{_name(room, run)}: {run.error}"
            if not run.has_unmerged_code:
                seen[run.commit] += 1
    yield from (f"{room.name}: {n} runs of {commit[:8]}" for commit, n in seen.items() if n > 1)


def states(room: Room) -> Iterator[str]:
    """The versions have one lineage and serials without gaps; none was refused."""
    with room.services.store.reading() as tx:
        versions = list(tx.states.versions(room.workspace.id, _ALL))
    kept = sorted((version for version in versions if not version.refused), key=lambda each: each.serial)
    refused = [version for version in versions if version.refused]
    yield from (
        f"{room.name}: the state {each.serial} of {each.run_id} was refused: {each.refused}"
        for each in refused
    )
    if len({version.lineage for version in kept}) > 1:
        yield f"{room.name}: several lineages"
    serials = [version.serial for version in kept]
    if serials and serials != list(range(serials[0], serials[0] + len(serials))):
        yield f"{room.name}: the serials are {serials}"


def _resources(data: bytes) -> dict[str, bool]:
    """Return the resources of a state, and whether each is whole."""
    found = {}
    for resource in json.loads(data)["resources"]:
        instances = resource["instances"]
        found[str(resource["name"])] = bool(instances) and all("status" not in each for each in instances)
    return found


def effects(room: Room) -> Iterator[str]:
    """Each effect was had by a run that planned it, once; a second run had it only if the first lost it."""
    of_runs: dict[str, dict[str, int]] = defaultdict(dict)
    for (scene, name, run_id), number in room.outside.all_effects().items():
        if scene == room.name:
            of_runs[run_id][name] = number
    had: dict[str, str] = {}
    for run in sorted(room.runs(), key=lambda each: each.sequence):
        mine = of_runs.pop(run.id, {})
        for name, number in mine.items():
            if number > 1:
                yield f"{_name(room, run)} had the effect {name} {number} times"
            if name in had:
                yield f"{_name(room, run)} had the effect {name}, which the state has from {had[name]}"
        planned = _creates(room, run)
        if run.status is RunStatus.APPLIED and set(mine) != planned:
            yield f"{_name(room, run)} planned {sorted(planned)} and had {sorted(mine)}"
        if not set(mine) <= planned:
            yield f"{_name(room, run)} had effects that were not planned: {sorted(set(mine) - planned)}"
        if mine:
            left = _left_by(room, run)
            had.update({name: run.id for name in mine if left.get(name)})
    yield from (f"{room.name}: effects of an unknown run {run_id}" for run_id in of_runs)


def _creates(room: Room, run: Run) -> set[str]:
    with room.services.store.reading() as tx:
        plan = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON)
    changes = json.loads(plan).get("resource_changes", []) if plan else []
    return {change["name"] for change in changes if "create" in change["change"]["actions"]}


def _left_by(room: Room, run: Run) -> dict[str, bool]:
    """Return the resources of the newest state that a run left and that was not refused."""
    with room.services.store.reading() as tx:
        mine = [v for v in tx.states.versions(run.workspace_id, _ALL) if v.run_id == run.id and not v.refused]
        newest: StateVersion | None = max(mine, key=lambda each: each.serial, default=None)
        return _resources(tx.states.data(newest.id)) if newest else {}


def final_state(room: Room) -> Iterator[str]:
    """The state has what `main` has, each once, and each had its effect."""
    with room.services.store.reading() as tx:
        current = tx.states.current(room.workspace.id)
        found = _resources(tx.states.data(current.id)) if current else {}
    if found != dict.fromkeys(room.made, True):
        yield f"{room.name}: the state has {found}, and main has {room.made}"
    counted = {name for (scene, name, _) in room.outside.all_effects() if scene == room.name}
    yield from (f"{room.name}: {name} had no effect" for name in room.made if name not in counted)


def statuses(room: Room) -> Iterator[str]:
    """No status of any commit is pending; the newest commit of `main` has one."""
    stage = room.journey.stage
    headers = {"Authorization": f"Bearer {stage.admin_token}"}
    url = f"{stage.forge_url}/playground/repos/{room.full_name}/statuses"
    newest = httpx.get(url, headers=headers, timeout=60).json()
    for each in newest:
        if each["state"] == "pending":
            yield f"{room.name}: {each['context']} of {each['sha'][:8]} is pending: {each['description']}"
    if (room.head, "plangate") not in {(each["sha"], each["context"]) for each in newest}:
        yield f"{room.name}: main ({room.head[:8]}) has no status"


def comments(room: Room) -> Iterator[str]:
    """No comment is doubled."""
    for number in room.pulls:
        found = room.journey.ana.comments(room.repo.name, number)
        markers: Counter[str] = Counter()
        for comment in found:
            if comment["user"]["login"] == BOT:
                markers.update(_MARKER.findall(comment["body"])[-1:])
        yield from (f"{room.name}#{number}: {n} comments with {m}" for m, n in markers.items() if n > 1)


def trees(stage: Stage, services: Services) -> Iterator[str]:
    """No working tree is left once a worker has tidied up."""

    class Later(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(minutes=5)

    world = replace(world_of(services.config), clock=Later())
    build_services(world, services.config).sweep.tidy(world.engine)
    yield from (f"a tree is left: {tree}" for tree in stage.root.glob("*/runs/*"))


def of_room(room: Room) -> list[str]:
    """Return everything that is wrong with a room."""
    checks = (runs, states, effects, final_state, statuses, comments)
    return [problem for check in checks for problem in check(room)]


def _name(room: Room, run: Run) -> str:
    return f"{room.name}: {run.id} ({run.status}, {run.commit[:8]})"


def all_pending(rooms: Sequence[Room], services: Services) -> list[str]:
    """Return what is not settled yet; people have to confirm what waits for them."""
    found = list(waiting(services))
    for room in rooms:
        found += [f"{_name(room, run)} waits" for run in room.runs() if not run.final]
    # The forge last: of many commits, asking takes its time.
    return found or [problem for room in rooms for problem in statuses(room)]
