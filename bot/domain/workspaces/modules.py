"""Which directories use a changed file through local modules, however many modules are in between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence


def users_of(calls: Mapping[str, Iterable[str]], paths: Iterable[str]) -> dict[str, str]:
    """Say of each directory that uses one of the paths, why: `modules/net/main.tf is in modules/net, ...`.

    `calls` has the directories and files that each directory uses directly, `""` for the root. One with a
    slash at its end is any module below it: which one is not known. A call of a module that does not exist
    any more counts, too. This takes as long as the calls are many, in whatever circles they lead.
    """
    callers: dict[str, list[str]] = {}
    for directory, places in calls.items():
        for place in places:
            callers.setdefault(place, []).append(directory)
    unknown = any(place.endswith("/") for place in callers)
    ordered = sorted(callers)
    found: dict[str, str] = {}
    passed: set[str] = set()
    for path in paths:
        for at, why in _reasons(path):
            reached = list(_beyond(callers, path, ordered) if at is None else callers.get(at, ()))
            while reached:
                directory = reached.pop()
                if directory not in found:
                    found[directory] = why
                    reached += callers.get(directory, ())
                    for above in _above(directory) if unknown else ():
                        if above in passed:
                            break
                        passed.add(above)
                        reached += callers.get(f"{above}/", ())
    return found


def _reasons(path: str) -> Iterator[tuple[str | None, str]]:
    """Yield the places of a file, each with why it counts for those that use it; None is what it leads to."""
    for place in _above(path):
        if place == path:
            yield place, f"{path} is a file that it uses"
        else:
            yield place, f"{path} is in {place or 'the root'}, a module that it uses"
    yield None, f"{path} is on the way to a module that it uses"
    for place in _above(path):
        yield f"{place}/", f"{path} may be in a module that it uses: not all of its sources are written out"


def _beyond(callers: Mapping[str, list[str]], path: str, ordered: Sequence[str]) -> Iterator[str]:
    """Yield who uses what is below a path. That path is a link then, which leads there."""
    start = f"{path}/"
    at = bisect_left(ordered, start)
    while at < len(ordered) and ordered[at].startswith(start):
        yield from callers[ordered[at]]
        at += 1


def _above(path: str) -> Iterable[str]:
    """Yield a path and the directories that it is in, the nearest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""
