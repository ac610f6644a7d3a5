"""Forecasts: what two open changes do together in a workspace, as stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.plans.forecast import Forecast


@dataclass(frozen=True)
class ForecastRecord:
    """The forecast of two changes in a workspace. `first` and `second` are their numbers, in this order.

    It is as good as the plans that it is compared with: `first_plan` and `second_plan` are the ids of their
    runs. The plan of a change that only touches what the workspace depends on is one of that other workspace.
    `base` is the commit of the base, and `state` names the version of the workspace's state. `run_id` is the
    run that plans both, empty if they conflict. `result` is None while it runs.
    """

    workspace_id: str
    first: int
    second: int
    first_plan: str
    second_plan: str
    base: str
    state: str
    run_id: str = ""
    result: Forecast | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """What a forecast is of: a workspace has one for two changes."""
        return self.workspace_id, self.first, self.second

    def other(self, plan: str) -> int:
        """Return the number of the change whose plan is not this one."""
        return self.second if plan == self.first_plan else self.first


class Forecasts(Protocol):
    """Stores forecasts, one for each workspace and pair of changes."""

    def put(self, record: ForecastRecord) -> None:
        """Insert a forecast, in place of an earlier one of the same workspace and changes."""
        ...

    def remove(self, record: ForecastRecord) -> None:
        """Delete a forecast."""
        ...

    def of_run(self, run_id: str) -> ForecastRecord | None:
        """Return the forecast that a run plans for. None if it is not wanted any more."""
        ...

    def of_plans(self, run_ids: Iterable[str]) -> Sequence[ForecastRecord]:
        """Return the forecasts that are compared with the plans of runs, in the order of their changes."""
        ...

    def of_workspace(self, workspace_id: str) -> Sequence[ForecastRecord]:
        """Return the forecasts of a workspace, in the order of their changes."""
        ...

    def of_repo(self, repo: RepoRef) -> Sequence[ForecastRecord]:
        """Return the forecasts of a repository's workspaces."""
        ...

    def repos(self) -> frozenset[RepoRef]:
        """Return the repositories that have two open changes or more, or a forecast."""
        ...
