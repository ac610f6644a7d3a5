"""Which directories use a changed file through local modules, however many modules are in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def users_of(calls: Mapping[str, Iterable[str]], paths: Iterable[str]) -> dict[str, str]:
    """Say of each directory that uses one of the paths, why: `modules/net/main.tf is in modules/net, ...`.

    `calls` has the directories and files that each directory uses directly, `""` for the root. A call of a
    module that does not exist any more counts, too. This takes as long as the calls are many, in whatever
    circles they lead.
    """
    callers: dict[str, list[str]] = {}
    for directory, places in calls.items():
        for place in places:
            callers.setdefault(place, []).append(directory)
    found: dict[str, str] = {}
    for path in paths:
        for place in _above(path):
            waiting = callers.get(place, ())
            why = f"{path} is in {place or 'the root'}, a module that it uses"
            if place == path:
                why = f"{path} is a file that it uses"
            reached = [each for each in waiting if each not in found]
            while reached:
                directory = reached.pop()
                if directory not in found:
                    found[directory] = why
                    reached += (each for each in callers.get(directory, ()) if each not in found)
    return found


def _above(path: str) -> Iterable[str]:
    """Yield a path and the directories that it is in, the nearest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""
