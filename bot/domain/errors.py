"""The error tree. Adapters translate their libraries' errors into these.

PlangateError
├── Refused              a person asked for something that is not allowed: says why, and what is possible
│   ├── Forbidden        the person's role does not allow it
│   ├── IllegalMove      the run's status does not allow it (409)
│   └── Invalid          the request itself is wrong (400, 422)
├── NotFound
├── Conflict             a concurrent change was quicker: read again and decide again
│   ├── LeaseLost        this worker no longer holds the run and may change nothing
│   └── StoreBusy        the database is busy: try the same again
├── EngineError          Terraform or Git failed: the run errors with this message
│   ├── Interrupted      canceled on request
│   ├── PlanDisagrees    the saved plan is not what was shown or asked for
│   ├── RemoteUnavailable  Git can't reach the forge: try again later
│   └── TimedOut
├── ForgeError
│   ├── ForgeUnavailable try again later; `retry_after` in seconds if the forge gave it
│   │   └── NotReady     the forge will know it soon: try again in a moment
│   ├── NotMergeable     the forge does not allow the merge now; later it may
│   └── ForgeRefused     trying again does not help
│       ├── NotLetIn     our credentials, or what they may do, are refused: an administrator can fix that
│       │   └── NotAuthenticated  the credentials themselves are not valid, or not any more
│       ├── NotOffered   this version of the forge can't do it
│       └── HeadMoved    the change has another commit than the one to merge
├── ReceiverError        an integration (a chat, a mail server, a run task) did not take what it was sent
│   ├── ReceiverAway     try again later; `retry_after` in seconds if the receiver gave it
│   └── ReceiverRefused  it does not accept this
├── StoreUnavailable     the database does not answer: try again later
└── ConfigError          says which line, what is wrong and what to write instead
"""

from __future__ import annotations


class PlangateError(Exception):
    """The base of all expected errors. The message can be shown to people."""


class Refused(PlangateError):
    """A person asked for something that is not allowed. The message says why, and what is possible."""


class Forbidden(Refused):
    """The person's role does not allow it."""


class IllegalMove(Refused):
    """The run's status does not allow it."""


class Invalid(Refused):
    """The request itself is wrong."""


class NotFound(PlangateError):
    """It does not exist."""


class Conflict(PlangateError):
    """A concurrent change was quicker."""


class StoreBusy(Conflict):
    """Others held the rows for too long. Try the same again in a moment."""


class LeaseLost(Conflict):
    """This worker no longer holds the run and may change nothing (promise 3)."""


class EngineError(PlangateError):
    """Terraform or Git failed."""


class Interrupted(EngineError):
    """The run was canceled while a process was at work."""


class PlanDisagrees(EngineError):
    """The saved plan is not what its JSON says, or not what was asked for: somebody may have forged it."""


class RemoteUnavailable(EngineError):
    """Git can't reach the forge now. Nothing has begun."""


class TimedOut(EngineError):
    """A stage took longer than its limit."""


class ForgeError(PlangateError):
    """The forge did not do the request."""


class ForgeUnavailable(ForgeError):
    """The forge is down or limits us. `retry_after` is in seconds, None if it gave none."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReady(ForgeUnavailable):
    """The forge is still computing the answer: try again in a moment."""


class ForgeRefused(ForgeError):
    """The forge refused. A retry does not help."""


class NotLetIn(ForgeRefused):
    """The forge refuses our credentials or what they are for. Temporary: an administrator can fix that."""


class NotAuthenticated(NotLetIn):
    """The forge does not accept our credentials (401): they are wrong, have expired or were revoked."""


class NotOffered(ForgeRefused):
    """This version of the forge can't do it. The message says which version can."""


class HeadMoved(ForgeRefused):
    """The change has another commit than the one to merge (promise 1)."""


class NotMergeable(ForgeError):
    """The forge does not allow the merge now, and says why. Later it may."""


class ReceiverError(PlangateError):
    """An integration did not take what it was sent. The message has no secret and no address."""


class ReceiverAway(ReceiverError):
    """The receiver does not answer now. `retry_after` is in seconds, None if it gave none."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ReceiverRefused(ReceiverError):
    """The receiver does not accept what it was sent."""


class StoreUnavailable(PlangateError):
    """The database does not answer."""


class ConfigError(PlangateError):
    """The configuration is wrong."""
