"""The secrets of a job: what is masked in the output of its processes."""

from __future__ import annotations

import base64

from bot.domain.runs import masking
from bot.services.ports import EngineJob


def secrets_of(job: EngineJob) -> tuple[str, ...]:
    """Return everything that must not show in the output of a run's processes (promise 6)."""
    found = [*job.secrets, *masking.secrets_of(job.variables)]
    if job.state:
        credentials = f"{job.state.username}:{job.state.password}"
        found += [job.state.password, base64.b64encode(credentials.encode()).decode()]
    if job.remote is not None and (header := job.remote.auth_header):
        found += [header, header.split(" ")[-1]]
    return tuple(found)
