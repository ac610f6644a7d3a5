"""The functions that RQ calls by name. Each takes an id and calls a service."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from bot.domain.errors import EngineError, PlangateError
from bot.services.metrics.catalogue import JOB_SECONDS, JOBS, SWEEPS, SWEPT_WORK
from bot.services.tracing.context import about
from bot.terraform.running import apply_record, delivery, verified_plan
from bot.terraform.sandbox.fork_server import ForkServer
from bot.wiring import Services, build, configured

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _services() -> Services:
    return build(configured(os.environ))


@contextmanager
def _timed(what: str, **ids: str) -> Iterator[None]:
    """Log how long a job took. Exceptions reach RQ, which logs them."""
    begun, meter, job, outcome = time.monotonic(), _services().meter, what.partition(" ")[0], "failed"
    try:
        with about(**ids), _services().spans.span(job, last=True):
            yield
        outcome = "done"
    finally:
        took = time.monotonic() - begun
        meter.count(JOBS, job=job, outcome=outcome)
        meter.observe(JOB_SECONDS, took, job=job)
    log.info("%s took %.0f ms", what, took * 1000)


def receive(delivery_id: str) -> None:
    """Handle a delivery."""
    with _timed(f"receive {delivery_id}", delivery=delivery_id):
        _services().intake.handle(delivery_id)


def advance(run_id: str) -> None:
    """Advance a run until it finishes or waits for a person."""
    with _timed(f"advance {run_id}", run=run_id):
        _services().execution.advance(run_id)


def report(subject: str) -> None:
    """Update the statuses and comments of a change or a commit on its forge."""
    with _timed(f"report {subject}", change=subject):
        _services().report_delivery.report(subject)


def replay(replay_id: str) -> None:
    """Replay a changed policy set on stored plans."""
    with _timed(f"replay {replay_id}"):
        _services().policy_replay.replay(replay_id)


def forecast() -> None:
    """Plan open changes together if no run waits, and compare what was planned."""
    with _timed("forecast"):
        _services().forecasts.work()


def check_drift() -> None:
    """Start the drift checks that are due if no run waits, and store what the ended ones found."""
    with _timed("check_drift"):
        _services().drift_checks.work()


def catch_up(repo: str) -> None:
    """Compare a repository with its forge, and make up for webhooks that never came."""
    with _timed(f"catch_up {repo}"):
        _services().catch_up.check(repo)


def check_hook(hook: str) -> None:
    """Have a forge send again the deliveries of a webhook that failed."""
    with _timed(f"check_hook {hook}"):
        _services().failed_deliveries.check(hook)


def notify(destination: str) -> None:
    """Send the notifications that are due for a destination."""
    with _timed(f"notify {destination}"):
        _services().notifications.deliver(destination)


def sweep() -> None:
    """Enqueue everything that the database says is due."""
    services = _services()
    with _timed("sweep"):
        found = services.sweep.run()
    services.meter.count(SWEEPS)
    services.meter.count(SWEPT_WORK, found)
    services.queues.note_sweep(services.clock.now())


def tidy() -> None:
    """Store the states and delete the trees that killed workers left on this machine."""
    services = _services()
    try:
        services.sweep.tidy(services.engine)
    except PlangateError as error:
        log.warning("can't tidy up what killed workers left, the worker tries again soon: %s", error)


def prepare() -> None:
    """Build and warm up the services once in the worker. The process of each job inherits them.

    Raises ConfigError.
    """
    _warm_up(_services())


def _warm_up(services: Services) -> None:
    """Cache what each run would look up: the versions of the programs, and whether the sandbox works.

    The process of a run is a fork of the worker. It inherits this cache.
    """
    # Without it, supervisors are forks of the jobs' processes.
    with suppress(OSError):
        ForkServer.launch((apply_record.__name__, delivery.__name__), str(services.config.data))
    services.sandbox.describe()
    services.sandbox.layers(services.config.data)
    verified_plan.warm_up()
    services.execution.warm_up()
    tidy()
    config = services.config
    likes = [*config.workspaces, *(rule.like for rule in config.discover)]
    for kind, version in dict.fromkeys((like.engine, like.engine_version) for like in likes):
        try:
            services.binaries.find(kind, version)
        except EngineError as error:
            # A run may still download it. If not, the run shows this error.
            log.info("%s", error)
