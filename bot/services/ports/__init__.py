"""Every port: what the use cases need of the world, declared by them. Adapters live in their own rooms."""

from bot.services.ports.approvals import Approvals
from bot.services.ports.audit import AuditLog, AuditQuery
from bot.services.ports.engine import (
    ApplyResult,
    Engine,
    EngineJob,
    PlanResult,
    StageWatch,
    StateAccess,
    Stop,
    Watch,
)
from bot.services.ports.forge import (
    Forge,
    ForgeReader,
    ForgeWriter,
    GitRemote,
    Hook,
    HookChecked,
    HookRead,
    Reaction,
)
from bot.services.ports.merging import ForgeMerging
from bot.services.ports.overview import Overview, OverviewQuery, Overviews, Show
from bot.services.ports.people import Leaving, SessionRecord, SessionRecords, SignIn, TokenRecords
from bot.services.ports.policies import (
    Files,
    Judged,
    PolicyChecks,
    PolicyEngine,
    PolicyJob,
    PolicyTest,
    SetFiles,
    SetVersion,
)
from bot.services.ports.replays import Replays
from bot.services.ports.retention import Retention
from bot.services.ports.reviews import ForgeReviews
from bot.services.ports.runs import ArtifactKind, Artifacts, Leases, RunQuery, Runs, Workspaces
from bot.services.ports.states import StateHistory, StateLock, StateLocks, States, StateVersion
from bot.services.ports.store import Store, Transaction
from bot.services.ports.traffic import (
    Came,
    ChangeRecord,
    Changes,
    Deliveries,
    Delivery,
    DeliveryQuery,
    DeliveryRecord,
    Post,
    Posts,
    Redeliveries,
)
from bot.services.ports.variables import Variables
from bot.services.ports.world import Addresses, Clock, Dispatch, Limits, Texts, Vault

__all__ = [
    "Addresses",
    "ApplyResult",
    "Approvals",
    "ArtifactKind",
    "Artifacts",
    "AuditLog",
    "AuditQuery",
    "Came",
    "ChangeRecord",
    "Changes",
    "Clock",
    "Deliveries",
    "Delivery",
    "DeliveryQuery",
    "DeliveryRecord",
    "Dispatch",
    "Engine",
    "EngineJob",
    "Files",
    "Forge",
    "ForgeMerging",
    "ForgeReader",
    "ForgeReviews",
    "ForgeWriter",
    "GitRemote",
    "Hook",
    "HookChecked",
    "HookRead",
    "Judged",
    "Leases",
    "Leaving",
    "Limits",
    "Overview",
    "OverviewQuery",
    "Overviews",
    "PlanResult",
    "PolicyChecks",
    "PolicyEngine",
    "PolicyJob",
    "PolicyTest",
    "Post",
    "Posts",
    "Reaction",
    "Redeliveries",
    "Replays",
    "Retention",
    "RunQuery",
    "Runs",
    "SessionRecord",
    "SessionRecords",
    "SetFiles",
    "SetVersion",
    "Show",
    "SignIn",
    "StageWatch",
    "StateAccess",
    "StateHistory",
    "StateLock",
    "StateLocks",
    "StateVersion",
    "States",
    "Stop",
    "Store",
    "Texts",
    "TokenRecords",
    "Transaction",
    "Variables",
    "Vault",
    "Watch",
    "Workspaces",
]
