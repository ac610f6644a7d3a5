"""`plangate worker`: works on jobs, and has the database swept."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import FrameType

import click
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from bot import jobs
from bot.cli.loading import choose_pool, configuration, serving
from bot.cli.server.worker_pool import WorkerPool
from bot.config import Config, LogLevel
from bot.config.problems import did_you_mean
from bot.dispatch import (
    LIGHT_QUEUES,
    QUEUES,
    RUN_QUEUES,
    TRACEPARENT,
    PlangateQueue,
    RqDispatch,
    pool_queue,
    queue_of,
)
from bot.dispatch.safe_jobs import PlangateJob
from bot.domain.errors import ConfigError
from bot.services.metrics.catalogue import JOB_WAIT_SECONDS
from bot.services.metrics.series import SilentMeter
from bot.services.ports import Meter
from bot.services.tracing.context import traced_from
from bot.shared_counts import RedisMeter
from bot.terraform.sandbox import priority
from bot.terraform.sandbox.fork_server import ForkServer

log = logging.getLogger(__name__)

# If the web and the workers share few cores, answering a webhook is more urgent than a plan.
_NICENESS = 10

# In seconds: before a worker whose Redis went away looks for it again.
_PAUSE = 1.0


class PlangateWorker(Worker):
    """An RQ worker that forks only for runs, and requests a sweep after an idle while (promise 3).

    Jobs of the light queues run no code of a change. They run without a fork, so that the forge's tokens
    stay cached for the next job.
    """

    queue_class = PlangateQueue
    sweeper: RqDispatch
    meter: Meter = SilentMeter()
    tidy: Callable[[], None] = staticmethod(jobs.tidy)
    asked_to_stop = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand, and then stop."""
        self.asked_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # as RQ has it

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand also if asked twice: it may be an apply. Ctrl-C, pressed twice, ends it."""
        if signum == signal.SIGTERM:
            log.warning("asked to stop again: the worker stops once its job is done")
            return
        super().request_force_stop(signum, frame)

    def setup_work_horse_signals(self) -> None:
        """Have the job's process ignore what is meant for the worker, which waits for it (promise 3)."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def subscribe(self) -> None:
        """Listen to no commands: by them, people who can write to Redis could kill an apply."""

    def check_for_suspension(self, burst: bool) -> None:
        """Never suspend: by RQ's key for it, people who can write to Redis could stop every worker."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job: in this process, or in a child process if it runs Terraform."""
        waited = (datetime.now(UTC) - job.enqueued_at).total_seconds() if job.enqueued_at else 0.0
        self.meter.observe(JOB_WAIT_SECONDS, max(waited, 0.0), queue=queue.name)
        if queue.name not in LIGHT_QUEUES:
            ForkServer.renew()
            super().execute_job(job, queue)
            _reap()
            return
        execution = self.prepare_execution(job)
        self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run a job's function, as a part of the trace that its dispatcher was in."""
        with traced_from(job.meta.get(TRACEPARENT)):
            return super().perform_job(job, queue, execution)

    def run_maintenance_tasks(self) -> None:
        """Do RQ's own chores, tidy up on this machine, and ask for a sweep."""
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]  # as RQ has it
        self.tidy()
        try:
            self.sweeper.sweep(self.maintenance_interval)
        except ConnectionError as error:
            log.warning("no sweep this time: %s", error)


def _reap() -> None:
    """Reap what the kernel gave us to reap, if this worker is the first process of a container."""
    if os.getpid() != 1:
        return
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@click.command()
@click.option(
    "--queues",
    default="",
    help=f"Queues, in order of priority. If unset: {','.join(QUEUES)}; in a pool: {','.join(RUN_QUEUES)}.",
)
@click.option(
    "--pool",
    default="",
    envvar="PLANGATE_POOL",
    metavar="NAME",
    help="Run only workspaces with `pool: NAME`. Without it, only workspaces without a pool.",
)
@click.option(
    "--jobs",
    "count",
    type=click.IntRange(1, 200),
    default=1,
    show_default=True,
    help="Jobs at the same time, each in a process of its own; these processes share memory.",
)
def worker(queues: str, pool: str, count: int) -> None:
    """Work on jobs. Start as many as you like, on as many machines as you like."""
    choose_pool(pool)
    names = _queues(queues, pool)
    config = configuration()
    if pool and pool not in config.pools:
        known = did_you_mean(pool, config.pools) if config.pools else "write `pool:` for a workspace"
        raise ConfigError(f"--pool: no workspace of {config.config_file.name} has the pool {pool}; {known}")
    serving(config)
    os.nice(_NICENESS)
    priority.share_by_niceness()
    jobs.prepare()
    if count == 1:
        _keep_working(config, names)
    else:
        WorkerPool(count, lambda: _keep_working(config, names)).run()


def _queues(text: str, pool: str) -> list[str]:
    """Return the names of the queues. A pool has queues of runs only."""
    known = RUN_QUEUES if pool else QUEUES
    names = [name.strip() for name in text.split(",") if name.strip()] or list(known)
    if unknown := sorted(set(names) - set(known)):
        where = "in a pool" if pool else ""
        raise click.BadParameter(
            " ".join(f"there is no queue {', '.join(unknown)} {where}; there are {', '.join(known)}".split())
        )
    return [pool_queue(name, pool) if name in RUN_QUEUES else name for name in names]


def _keep_working(config: Config, names: Sequence[str]) -> None:
    with contextlib.suppress(StopRequested):
        while not _work(config, names):
            # RQ's worker ends if the connection to Redis is lost during a job. Ours starts again.
            time.sleep(_PAUSE)
            log.warning("lost the connection to Redis; the worker starts again")


def _work(config: Config, names: Sequence[str]) -> bool:
    """Work until asked to stop; return False if the connection to Redis was lost during a job."""
    sweep = max(int(config.sweep.total_seconds()), 1)
    try:
        connection = Redis.from_url(config.require_redis())
        found = PlangateWorker(
            [queue_of(name, connection) for name in names],
            connection=connection,
            serializer=JSONSerializer,
            job_class=PlangateJob,
            maintenance_interval=sweep,
            worker_ttl=sweep + 15,
            log_job_description=False,
        )
        found.sweeper = RqDispatch(config.require_redis())
        found.meter = RedisMeter(config.require_redis())
        # RQ logs its internal tasks; we log each job ourselves.
        level = "DEBUG" if config.log_level is LogLevel.DEBUG else "WARNING"
        found.work(logging_level=level, with_scheduler=False)
    except RedisError as error:
        log.warning("Redis does not answer: %s", error)
        return False
    return found.asked_to_stop
