"""The services that only HashiCorp's API needs, as a protocol: a part of `Services`."""

from __future__ import annotations

from typing import Protocol

from bot.domain.workspaces.workspace import EngineKind
from bot.services.configurations.api_runs import ApiRuns
from bot.services.configurations.uploads import Uploads
from bot.services.people.program_login import ProgramLogin
from bot.services.run_tasks.callbacks import TaskCallbacks
from bot.services.runs.force_execute import ForceExecute
from bot.services.runs.stage_log import StageLogs
from bot.services.states.pushes import StatePushes
from bot.services.variables.api_sets import ApiVariableSets
from bot.services.variables.api_variables import ApiVariables
from bot.services.workspaces.api_workspaces import ApiWorkspaces
from bot.services.workspaces.projects import Projects


class EngineVersions(Protocol):
    """Knows which versions of Terraform and OpenTofu there are."""

    def why_not(self, kind: EngineKind, version: str) -> str:
        """Say why runs can't use this very version. Empty if they can."""
        ...


class ApiServices(Protocol):
    """What the API needs beside what the pages need."""

    @property
    def state_pushes(self) -> StatePushes:
        """States that people push by the API."""
        ...

    @property
    def api_workspaces(self) -> ApiWorkspaces:
        """Workspaces that are made through the API."""
        ...

    @property
    def uploads(self) -> Uploads:
        """Uploaded configurations."""
        ...

    @property
    def api_runs(self) -> ApiRuns:
        """Runs that clients of the API create."""
        ...

    @property
    def force_execute(self) -> ForceExecute:
        """What lets a pending run go first."""
        ...

    @property
    def stage_logs(self) -> StageLogs:
        """Logs of plans and applies, by bytes."""
        ...

    @property
    def program_login(self) -> ProgramLogin:
        """Tokens for programs that people let in."""
        ...

    @property
    def api_variables(self) -> ApiVariables:
        """Variables, as clients of the API change them."""
        ...

    @property
    def api_sets(self) -> ApiVariableSets:
        """Sets of variables, as clients of the API change them."""
        ...

    @property
    def projects(self) -> Projects:
        """Projects."""
        ...

    @property
    def engine_versions(self) -> EngineVersions:
        """Which versions of Terraform runs may use."""
        ...

    @property
    def task_callbacks(self) -> TaskCallbacks:
        """Answers of run tasks."""
        ...
