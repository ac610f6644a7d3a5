"""The error tree, drawn once. Vendors' errors are translated into these at the edge.

PlangateError
├── Refused              a person asked for what may not be: says why, and what is possible
│   ├── Forbidden        the person's role does not allow it
│   ├── IllegalMove      the run's status does not allow it (409)
│   └── Invalid          the request itself is wrong (400, 422)
├── NotFound
├── Conflict             somebody else was first: read again and decide again
│   ├── LeaseLost        this worker no longer holds the run and may change nothing
│   └── StoreBusy        others hold the database: the same may be tried again
├── EngineError          Terraform or Git said no: the run errors with these words
│   ├── Interrupted      canceled on request
│   ├── RemoteUnavailable  Git can't reach the forge: try again later
│   └── TimedOut
├── ForgeError
│   ├── ForgeUnavailable try again later; `retry_after` in seconds where the forge gave it
│   │   └── NotReady     the forge is about to know it: try again in a moment
│   ├── NotMergeable     the forge does not let the change be merged as things stand; later it may
│   └── ForgeRefused     trying again does not help
│       └── HeadMoved    the change is no longer at the commit that was to be merged
├── StoreUnavailable     the database does not answer: try again later
└── ConfigError          says which line, what is wrong and what to write instead
"""

from __future__ import annotations


class PlangateError(Exception):
    """Whatever goes wrong in a way that we have words for. The message is fit for a person to read."""


class Refused(PlangateError):
    """A person asked for something that may not be; the message says why and what is possible."""


class Forbidden(Refused):
    """The person's role does not allow it."""


class IllegalMove(Refused):
    """The run's status does not allow it."""


class Invalid(Refused):
    """The request itself is wrong."""


class NotFound(PlangateError):
    """There is no such thing."""


class Conflict(PlangateError):
    """Somebody else was first."""


class StoreBusy(Conflict):
    """Others have held what was to be written for too long; the same may be tried again in a moment."""


class LeaseLost(Conflict):
    """This worker no longer holds the run and may change nothing (promise 3)."""


class EngineError(PlangateError):
    """Terraform or Git said no."""


class Interrupted(EngineError):
    """The run was canceled while a process was at work."""


class RemoteUnavailable(EngineError):
    """Git could not reach the forge, as it seems for now; nothing was begun."""


class TimedOut(EngineError):
    """A stage took longer than its limit."""


class ForgeError(PlangateError):
    """The forge did not do what was asked."""


class ForgeUnavailable(ForgeError):
    """The forge is down or limits us; `retry_after` is in seconds, None where it did not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReady(ForgeUnavailable):
    """The forge is still finding out what it was asked for; in a moment it will know."""


class ForgeRefused(ForgeError):
    """The forge refused for good: trying again does not help."""


class HeadMoved(ForgeRefused):
    """The change is no longer at the commit that was to be merged (promise 1)."""


class NotMergeable(ForgeError):
    """The forge does not let the change be merged as things stand, and says why; later it may."""


class StoreUnavailable(PlangateError):
    """The database does not answer."""


class ConfigError(PlangateError):
    """The configuration is wrong."""
