"""Jobs as they come from Redis, treated as hostile: only our functions, with at most one id."""

from __future__ import annotations

import json
import logging
from typing import Any

from rq.exceptions import NoSuchJobError, TimeoutFormatError
from rq.job import Job

log = logging.getLogger(__name__)

JOBS = frozenset(
    f"bot.jobs.{name}"
    for name in (
        "receive",
        "advance",
        "report",
        "replay",
        "forecast",
        "check_drift",
        "catch_up",
        "check_hook",
        "notify",
        "sweep",
    )
)
"""The functions that a worker runs. A job that names another one is dropped."""

_LONGEST_ARGUMENT = 1000
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, AssertionError, TimeoutFormatError)


class PlangateJob(Job):
    """A job from Redis, treated as hostile: only our functions, at most one id, no callbacks.

    RQ would import and call the callbacks that a job names, and send requests to its webhooks.
    """

    def restore(self, raw_data: Any) -> None:
        """Load the job from Redis. Raises NoSuchJobError if it is not one of ours: RQ then drops it."""
        try:
            super().restore(raw_data)
            function, instance, args, kwargs = json.loads(self.data)
        except NoSuchJobError:
            raise
        except (*_UNREADABLE, RecursionError) as error:
            raise self._dropped(f"it cannot be read ({type(error).__name__})") from error
        if not isinstance(function, str) or function not in JOBS:
            raise self._dropped("it names a function that is not one of ours")
        if instance is not None or kwargs or not _is_an_id(args):
            raise self._dropped("its arguments are not one id")
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        meta: object = self.meta
        self.meta = meta if isinstance(meta, dict) else {}

    def _dropped(self, why: str) -> NoSuchJobError:
        # The log does not quote the job: its text is hostile.
        log.warning("a job in Redis was dropped: %s", why)
        return NoSuchJobError("not one of our jobs")


def _is_an_id(args: object) -> bool:
    return isinstance(args, list) and (
        not args or (len(args) == 1 and isinstance(args[0], str) and len(args[0]) <= _LONGEST_ARGUMENT)
    )
