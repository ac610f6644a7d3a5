"""What two changes do together in a workspace: their two plans compared with the plan of both.

Files of both changes are planned as one: base, then the first change, then the second. Reads do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.errors import EngineError
from bot.domain.plans.approved_plan import equal
from bot.domain.plans.digest import canonical_form

MOST_NAMES = 100
"""How many names of each kind a forecast keeps."""

_NAMED = 3
_MOST_ERROR = 200

# By what an address has to fear: the first ones are named first.
_DEEDS = {
    ("delete", "create"): "replaces",
    ("create", "delete"): "replaces",
    ("delete",): "destroys",
    ("forget",): "forgets",
    ("update",): "changes",
    ("create",): "creates",
}
_SEVERITY = [*dict.fromkeys(_DEEDS.values()), "imports", "moves"]


@dataclass(frozen=True)
class Deed:
    """What the plan of both does to a resource or an output that no plan of one does: `replaces db.main`."""

    does: str
    address: str


@dataclass(frozen=True)
class Forecast:
    """What two changes do together in a workspace. Empty: each does the same with and without the other.

    `together` is what only the plan of both does, and `order` is what differs with the change that is applied
    last. `conflicts` are the files that can't be merged. `error` is why the plan of both fails, and
    `canceled_by` who stopped it. Addresses, files and errors are hostile text. `more_together` and
    `more_order` count what is not listed.
    """

    together: tuple[Deed, ...] = ()
    order: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    error: str = ""
    canceled_by: str = ""
    more_together: int = 0
    more_order: int = 0

    @property
    def independent(self) -> bool:
        """Whether each change does the same with and without the other."""
        return self == Forecast()

    def hiding(self, hide: Callable[[str], str]) -> Forecast:
        """Return the forecast with secrets hidden in its texts."""
        return replace(
            self,
            together=tuple(replace(each, address=hide(each.address)) for each in self.together),
            order=tuple(map(hide, self.order)),
            error=hide(self.error),
        )

    def words(self, other: str) -> str:
        """Say it of the other change, such as `#14`, in a line. The names are not escaped."""
        if self.independent:
            return f"independent of {other}"
        if self.canceled_by:
            return f"the forecast with {other} was canceled by {self.canceled_by}"
        if self.conflicts == ("",):
            return f"has no history in common with {other}"
        if self.conflicts:
            return f"conflicts with {other} in {_names(self.conflicts, len(self.conflicts))}"
        if self.error:
            return f"together with {other} the plan fails: {_plain(self.error, _MOST_ERROR)}"
        order = _names(self.order, len(self.order) + self.more_order)
        if not self.together:
            return f"the order with {other} matters: {order}"
        deeds = [f"{each.does} {each.address}" for each in self.together]
        words = f"together with {other}: {_names(deeds, len(deeds) + self.more_together)}"
        return f"{words}; the order matters: {order}" if self.order else words


def forecast(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None, both: Mapping[str, Any]
) -> Forecast:
    """Compare the plans' JSON of two changes with that of both. None: the change has no plan here.

    Raises EngineError if values are nested too deeply.
    """
    try:
        ones, others, all_of_it = (_deeds(each) for each in (first, second, both))
        together, order = [], []
        for key in sorted(ones.keys() | others.keys() | all_of_it.keys()):
            alone = [deeds[key] for deeds in (ones, others) if key in deeds]
            now = all_of_it.get(key)
            if now is not None and all(now[0] != did for did, _ in alone):
                together.append(Deed(now[0], key))
            elif now is None or not all(equal(now[1], form) for _, form in alone):
                order.append(key)
    except RecursionError:
        raise EngineError("the plans nest values too deeply to be compared: flatten them") from None
    together.sort(key=lambda deed: (_SEVERITY.index(deed.does), deed.address))
    return Forecast(
        together=tuple(together[:MOST_NAMES]),
        order=tuple(order[:MOST_NAMES]),
        more_together=max(len(together) - MOST_NAMES, 0),
        more_order=max(len(order) - MOST_NAMES, 0),
    )


def first_error(text: str) -> str:
    """Return the first line of an error of Terraform, without its title `Error:`."""
    lines = (line.strip(" │╷╵") for line in text.splitlines())
    return next((line.removeprefix("Error: ") for line in lines if line), "")


def _deeds(document: Mapping[str, Any] | None) -> dict[str, tuple[str, Any]]:
    """Return what a plan does, in a word, and its canonical form, by address."""
    if document is None:
        return {}
    form = canonical_form(document)
    found: dict[str, tuple[str, Any]] = {}
    for item in form["resources"]:
        deposed = f" (deposed {item['deposed']})" if item["deposed"] else ""
        if does := _does(item["change"], moved=bool(item["previous_address"])):
            found[f"{item['address']}{deposed}"] = (does, item)
    for name, change in form["outputs"].items():
        if does := _does(change, moved=False):
            found[f"output.{name}"] = (does, change)
    return found


def _does(change: Mapping[str, Any], *, moved: bool) -> str:
    """Say what a change does. Empty for a read, and for what nobody knows."""
    actions = tuple(change.get("actions") or ())
    if actions == ("no-op",):
        return "imports" if change.get("importing") else "moves" if moved else ""
    return _DEEDS.get(actions, "")


def _names(names: Iterable[str], number: int) -> str:
    shown = [_plain(each) for each in names][:_NAMED]
    more = f" and {number - len(shown)} more" if number > len(shown) else ""
    return ", ".join(shown) + more


def _plain(text: str, most: int = 120) -> str:
    """Return text for our sentence, in which backticks mark code."""
    line = " ".join(text.replace("`", "'").split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
