"""Run tasks with their addresses and keys, read from settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.config.file.manifest import Manifest
from bot.config.file.run_tasks import RunTaskEntry
from bot.config.notifications import receiver_address, required
from bot.config.problems import Problems
from bot.config.settings import Environment, parse_duration
from bot.domain.tasks.tasks import RunTask, TaskStage
from bot.services.ports import TaskMailbox


@dataclass(frozen=True)
class RunTaskSettings:
    """The run tasks of plangate.yml. `mailboxes` have their addresses and keys, by their names."""

    tasks: tuple[RunTask, ...] = ()
    mailboxes: Mapping[str, TaskMailbox] = field(default_factory=dict, repr=False)


def read_run_tasks(manifest: Manifest, env: Environment, problems: Problems) -> RunTaskSettings:
    """Read the tasks and what they need of the environment; note what is wrong."""
    entries = manifest.run_tasks or {}
    return RunTaskSettings(
        tuple(_task(name, entry) for name, entry in entries.items()),
        {name: _mailbox(entry, env, problems) for name, entry in entries.items()},
    )


def _task(name: str, entry: RunTaskEntry) -> RunTask:
    return RunTask(
        name=name,
        stages=tuple(map(TaskStage, entry.stages or ("post_plan",))),
        mandatory=entry.enforcement_level == "mandatory",
        workspaces=tuple(entry.workspaces or ()),
        tags=tuple(entry.tags or ()),
        exclude=tuple(entry.exclude or ()),
        timeout=parse_duration(entry.timeout or "10m"),
    )


def _mailbox(entry: RunTaskEntry, env: Environment, problems: Problems) -> TaskMailbox:
    url = entry.url or receiver_address(entry.url_env or "", env, problems)
    return TaskMailbox(url, required(entry.key_env, env, problems, "put the key that signs requests into it"))
