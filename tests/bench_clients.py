"""`python -m tests.bench_clients`: how long the API lets clients wait that apply at once on some workspaces.

Each makes the calls of the terraform CLI. Everything is on the loopback address.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from tests.support.cloud_client import CloudClient, Timed, all_at_once, print_times
from tests.support.journeys import ROOMS, Journey, manifest, resource

CLIENTS, WORKSPACES = 50, 20
JOBS = 4
_PATIENCE = 1500.0


def main(clients: int = CLIENTS, workspaces: int = WORKSPACES) -> None:
    """Print p50, p99 and the worst of each kind of request."""
    with tempfile.TemporaryDirectory(prefix="plangate-bench-") as folder:
        journey = Journey(Path(folder), manifest(ROOMS[:1]), PLANGATE_OWNERS="ana")
        journey.stage.workers, journey.stage.jobs, journey.stage.web_processes = 1, JOBS, 2
        with journey:
            journey.repo()
            sys.stdout.write(f"  {clients} clients of the API apply at once on {workspaces} workspaces:\n")
            found = all_at_once([_job(journey, number, workspaces) for number in range(clients)])
    print_times([each for times in found for each in times])


def _job(journey: Journey, number: int, workspaces: int) -> Callable[[], list[Timed]]:
    nobody = Person("ana", Role.NONE)
    token = journey.services.tokens.make(Account("github", "ana"), nobody, f"laptop {number}", "admin")

    def job() -> list[Timed]:
        with CloudClient(journey.stage.url, token, f"bench-{number % workspaces:02}", _PATIENCE) as client:
            client.init()
            client.apply(resource("one", f"value {number}"), auto=bool(number % 2))
            return client.times

    return job


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
