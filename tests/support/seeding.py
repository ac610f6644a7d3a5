"""Fills a database with workspaces in every state, for tests and people that look at the pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.events import Change, RepoRef
from bot.domain.ids import new_id
from bot.domain.people.permissions import Role
from bot.domain.plans.plan import Counts
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.reports.posts import CommentPost
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.variables import Category, StoredVariable, Variable, VariableSet
from bot.domain.workspaces.workspace import Lock, Workspace
from bot.services.approvals.shown_plans import summary_key
from bot.services.ports import ArtifactKind, ChangeRecord, Delivery, Post, SetVersion, StateVersion
from bot.services.states.resource_index import ResourceIndex

REPO = RepoRef("hub", "acme/infra")
HEADS = tuple(f"{number:x}" * 40 for number in range(1, 10))
"""Commits of the branch, oldest first."""
CHANGE = 41
LINEAGE = "8f1b2c3d-0000-4000-8000-000000000001"

PLAN_OUTPUT = """\
Initializing the backend...
Terraform will perform the following actions:

  # module.network.aws_subnet.b will be created
  + resource "aws_subnet" "b" {
      + availability_zone = "eu-central-1b"
      + cidr_block        = "10.20.1.0/24"
    }

  # module.network.aws_vpc.main will be updated in-place
  ~ resource "aws_vpc" "main" {
      ~ enable_dns_hostnames = false -> true
        id                   = "vpc-0a1b2c"
    }

Plan: 1 to add, 1 to change, 1 to destroy.
"""


@dataclass
class Seeded:
    """What is there to look at: workspaces by name, runs by what they show, addresses of pages."""

    workspaces: dict[str, Workspace]
    runs: dict[str, Run]
    states: tuple[StateVersion, ...]


def seed(world: Any) -> Seeded:
    """Fill the database of a world (tests/web/conftest.py)."""
    clock = world.services.clock
    begun = clock.now()
    clock.at = begun - timedelta(days=9)
    described: dict[str, dict[str, Any]] = {
        "network-prod": {"branch": "main", "tags": ("prod",), "require": ("approved",)},
        "network-staging": {"branch": "staging", "auto_apply": True},
        "cluster-prod": {"branch": "main"},
        "dns": {"branch": "main"},
        "billing": {"branch": "main"},
        "monitoring": {"branch": "main", "run_triggers": ("cluster-prod",)},
        "edge": {"branch": "main", "depends_on": ("dns",)},
        "archive": {"branch": "main", "inputs": (Input("vpc", "network-prod", "vpc_id"),)},
    }
    spaces = {name: world.workspace(name, **about) for name, about in described.items()}
    runs: dict[str, Run] = {}
    _history(world, spaces["network-prod"])
    clock.at = begun - timedelta(hours=3)
    runs["confirm"] = _planned(world, spaces["network-prod"], message="Open a second zone")
    runs["waits"] = world.run(spaces["network-prod"], message="Rename the gateway", created_by="ana")
    runs["applied"] = _final(
        world, spaces["network-staging"], RunStatus.APPLIED, HEADS[7], StageStatus.FINISHED
    )
    runs["errored"] = _final(
        world, spaces["cluster-prod"], RunStatus.ERRORED, HEADS[7], StageStatus.ERRORED,
        error="aws_eks_cluster.main: creating EKS Cluster: quota of clusters exceeded",
    )  # fmt: skip
    runs["canceled"] = _final(world, spaces["edge"], RunStatus.CANCELED, HEADS[6], StageStatus.PENDING)
    runs["nothing"] = world.run(
        spaces["dns"], status=RunStatus.PLANNED_AND_FINISHED, plan_status=StageStatus.FINISHED,
        has_changes=False, counts=Counts(), commit=HEADS[7], source=RunSource.PUSH,
    )  # fmt: skip
    with world.services.store.transaction() as tx:
        tx.workspaces.set_lock(
            spaces["dns"].id, Lock("carol", "The registrar moves the zone on Thursday", clock.now())
        )
    clock.at = begun - timedelta(minutes=4)
    runs["override"] = _overridable(world, spaces["billing"])
    runs["applying"] = world.run(
        spaces["monitoring"], status=RunStatus.APPLYING, plan_status=StageStatus.FINISHED,
        apply_status=StageStatus.RUNNING, has_changes=True, counts=Counts(3, 0, 0), commit=HEADS[8],
        source=RunSource.TRIGGER, message="After cluster-prod",
    )  # fmt: skip
    runs.update(_change(world, spaces))
    _variables(world, spaces["network-prod"])
    states = _states(world, spaces["network-prod"], runs["confirm"])
    _deliveries(world, runs["confirm"])
    clock.at = begun
    return Seeded(spaces, runs, states)


def plan_json(*addresses: str, action: str = "create", **after: object) -> bytes:
    """Return a plan as `show -json` gives it, that does one thing to each address."""
    changes = [
        {
            "address": address,
            "module_address": address.rpartition(".aws")[0],
            "mode": "managed",
            "type": address.split(".")[-2],
            "name": address.split(".")[-1],
            "change": {
                "actions": [action],
                "before": None if action == "create" else {"name": "before", "password": "old"},
                "after": None if action == "delete" else {"name": "after", "password": "new", **after},
                "after_unknown": {"id": True},
                "before_sensitive": {} if action == "create" else {"password": True},
                "after_sensitive": {"password": True},
            },
        }
        for address in addresses
    ]
    kinds = ("aws_vpc", "aws_subnet")
    known = [
        {"type": kind, "sensitive_values": {"password": True} if kind == "aws_vpc" else {}} for kind in kinds
    ]
    prior = {"values": {"root_module": {"resources": known}}}
    return json.dumps({"format_version": "1.2", "resource_changes": changes, "prior_state": prior}).encode()


def state_json(serial: int, resources: dict[str, dict[str, object]], **outputs: object) -> bytes:
    """Return a state with these resources (`type.name` to attributes) and outputs."""
    listed = [
        {
            "mode": "managed", "type": address.split(".")[-2], "name": address.split(".")[-1],
            "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
            **({"module": "module.network"} if address.startswith("module.") else {}),
            "instances": [{"schema_version": 1, "attributes": attributes,
                           "sensitive_attributes": [[{"type": "get_attr", "value": "password"}]]}],
        }
        for address, attributes in resources.items()
    ]  # fmt: skip
    shown = {name: {"value": value, "type": "string"} for name, value in outputs.items()}
    shown["token"] = {"value": "hush", "type": "string", "sensitive": True}
    state = {
        "version": 4, "terraform_version": "1.15.5", "serial": serial, "lineage": LINEAGE,
        "outputs": shown, "resources": listed,
    }  # fmt: skip
    return json.dumps(state).encode()


def _planned(world: Any, workspace: Workspace, **about: object) -> Run:
    fields = {
        "status": RunStatus.PLANNED, "plan_status": StageStatus.FINISHED, "has_changes": True,
        "counts": Counts(1, 1, 1), "commit": HEADS[8], "source": RunSource.PUSH, "created_by": "ben",
        "digest": "d" * 64,
    }  # fmt: skip
    run: Run = world.run(workspace, **(fields | about))
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run.id, "plan", PLAN_OUTPUT)
        tx.artifacts.put(
            run.id, ArtifactKind.PLAN_JSON,
            plan_json("module.network.aws_subnet.b", "module.network.aws_vpc.main", "aws_eip.nat"),
        )  # fmt: skip
        now = world.services.clock.now()
        tx.runs.note(RunEvent(run.id, now, "planning", "", ""))
        planned = "planned_and_finished" if run.plan_only else "planned"
        tx.runs.note(RunEvent(run.id, now + timedelta(seconds=14), planned, "", ""))
        tx.runs.note(
            RunEvent(run.id, now + timedelta(minutes=2), "comment", "ana", "The second zone is for Q3.")
        )
    return run


def _final(
    world: Any, workspace: Workspace, status: RunStatus, commit: str, apply: StageStatus, **about: object
) -> Run:
    fields = {
        "status": status, "commit": commit, "plan_status": StageStatus.FINISHED, "apply_status": apply,
        "has_changes": True, "counts": Counts(2, 1, 0), "source": RunSource.PUSH, "message": "Grow the pool",
    }  # fmt: skip
    run: Run = world.run(workspace, **(fields | about))
    return run


def _history(world: Any, workspace: Workspace) -> None:
    """Runs of the branch, one for each commit: more than one part of a list shows."""
    for number in range(34):
        world.services.clock.pass_by(timedelta(hours=5))
        status = (RunStatus.APPLIED, RunStatus.DISCARDED, RunStatus.ERRORED)[0 if number % 7 else number % 3]
        commit = HEADS[6] if number == 33 else f"{number + 16:040x}"
        _final(world, workspace, RunStatus.APPLIED if number == 33 else status, commit, StageStatus.FINISHED,
               message=f"Change {number + 1} of the network")  # fmt: skip


def _overridable(world: Any, workspace: Workspace) -> Run:
    run = _planned(world, workspace, status=RunStatus.POLICY_OVERRIDE, message="A larger instance")
    checks = [
        PolicyCheck(
            "cost",
            "v1",
            "monthly",
            EnforcementLevel.SOFT,
            PolicyOutcome.FAILED,
            ("It costs 240 a month more",),
        ),
        PolicyCheck(
            "cost",
            "v1",
            "tags",
            EnforcementLevel.ADVISORY,
            PolicyOutcome.PASSED,
            description="Everything has an owner",
        ),
    ]
    with world.services.store.transaction() as tx:
        tx.policies.keep_version(SetVersion("v1", "cost", "the folder policies/cost", "", {}, run.created_at))
        tx.policies.put(run.id, checks)
    return run


def _change(world: Any, spaces: dict[str, Workspace]) -> dict[str, Run]:
    """A change that touches three workspaces, with plans of two commits, one approved and one errored."""
    names = ("network-prod", "cluster-prod", "billing")
    change = Change(
        REPO, CHANGE, "Give the network a second zone", "ana", HEADS[5], "second-zone", "main", False,
        f"https://hub.example.com/acme/infra/pull/{CHANGE}", default_branch="main", mergeable=True,
    )  # fmt: skip
    touched, now = tuple(spaces[name].id for name in names), world.services.clock.now()
    with world.services.store.transaction() as tx:
        tx.changes.put(
            ChangeRecord(
                "chg-second-zone", change, touched, now,
                reasons=(("network-prod", "network-prod/main.tf is in network-prod/"),
                         ("dns", "nothing in dns/ changed")),
            )
        )  # fmt: skip
    runs = {}
    for commit, addresses in (
        (HEADS[4], ("aws_subnet.b",)),
        (HEADS[5], ("aws_subnet.b", "aws_route_table.b")),
    ):
        world.services.clock.pass_by(timedelta(minutes=1))
        for name in names[:2]:
            key = f"preview-{name}" if commit == HEADS[5] else f"earlier-{name}"
            runs[key] = _planned(
                world, spaces[name], status=RunStatus.PLANNED_AND_FINISHED, plan_only=True, commit=commit,
                branch="second-zone", source=RunSource.CHANGE, change_number=CHANGE, created_by="ana",
                message="Give the network a second zone",
            )  # fmt: skip
            with world.services.store.transaction() as tx:
                tx.artifacts.put(runs[key].id, ArtifactKind.PLAN_JSON, plan_json(*addresses, zone=commit[:1]))
    runs["preview-billing"] = world.run(
        spaces["billing"], status=RunStatus.ERRORED, plan_only=True, commit=HEADS[5], branch="second-zone",
        plan_status=StageStatus.ERRORED, source=RunSource.CHANGE, change_number=CHANGE, created_by="ana",
        error="Error: Unsupported argument\n  on main.tf line 4",
    )  # fmt: skip
    shown = runs["preview-network-prod"]
    record = ApprovalRecord(
        new_id("apv"), shown.workspace_id, CHANGE, HEADS[5], shown.digest, shown.id, "ben", Role.WRITE,
        world.services.clock.now(), state=ApprovalState.FALLEN, why="a newer commit was pushed",
    )  # fmt: skip
    with world.services.store.transaction() as tx:
        tx.approvals.add(record)
    show_plans(world, *(runs[f"preview-{name}"] for name in names[:2]))
    return runs


def show_plans(world: Any, *runs: Run, whole: bool = True) -> None:
    """Have the comment on the change show exactly these plans, for a minute already, or only name them."""
    with world.services.store.transaction() as tx:
        change = tx.changes.get("chg-second-zone").change
        post = Post("run-x", change.repo, summary_key(change.number), CommentPost(change.number, "x", "x"))
        tx.posts.derived(post.subject, 1, [post])
        at = {run.id: world.services.clock.now() - timedelta(minutes=1) for run in runs}
        tx.shown.keep(post, at if whole else {}, {} if whole else at, "")


def _variables(world: Any, workspace: Workspace) -> None:
    now = world.services.clock.now()
    own = (
        Variable("zones", '["a", "b"]', Category.TERRAFORM, hcl=True, description="Where subnets are made"),
        Variable("db_password", "hush-hush", Category.TERRAFORM, sensitive=True),
        Variable("TF_LOG", "", Category.ENV),
    )
    with world.services.store.transaction() as tx:
        for variable in own:
            tx.variables.put(StoredVariable(new_id("var"), variable, "ana", now), workspace_id=workspace.id)
        made = tx.variables.put_set(
            VariableSet(new_id("varset"), "aws", True, (), "The account and its region", "ana")
        )
        for variable in (
            Variable("AWS_REGION", "eu-central-1", Category.ENV),
            Variable("zones", '["a"]', Category.TERRAFORM, hcl=True),
        ):
            tx.variables.put(StoredVariable(new_id("var"), variable, "ana", now), set_id=made.id)


def _states(world: Any, workspace: Workspace, run: Run) -> tuple[StateVersion, ...]:
    contents: list[dict[str, dict[str, object]]] = [
        {"module.network.aws_vpc.main": {"id": "vpc-0a1b2c", "cidr": "10.20.0.0/16", "password": "one"}},
        {
            "module.network.aws_vpc.main": {"id": "vpc-0a1b2c", "cidr": "10.20.0.0/15", "password": "two"},
            "module.network.aws_subnet.a": {"id": "subnet-1", "zone": "a"},
        },
        {
            "module.network.aws_vpc.main": {"id": "vpc-0a1b2c", "cidr": "10.20.0.0/15", "password": "two"},
            "module.network.aws_subnet.a": {"id": "subnet-1", "zone": "a", "tags": {"owner": "net"}},
        },
    ]
    versions = []
    with world.services.store.transaction() as tx:
        for serial, resources in enumerate(contents, 1):
            data = state_json(serial, resources, vpc_id="vpc-0a1b2c", zones=f"{serial}")
            version = StateVersion(
                new_id("sv"), workspace.id, run.id if serial == 2 else "", serial, LINEAGE,
                f"{serial:032x}", world.services.clock.now() + timedelta(seconds=serial), len(data),
                made_by="" if serial == 2 else "ana", note="" if serial == 2 else "pushed from a file by ana",
            )  # fmt: skip
            tx.states.add(version, data)
            versions.append(version)
    ResourceIndex(world.services.store, world.services.vault).catch_up_all()
    return tuple(versions)


def _deliveries(world: Any, run: Run) -> None:
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        for name in ("d-run", "d-nothing", "d-failed", "d-waiting"):
            tx.deliveries.add(Delivery(name, "hub", "push", {}, b"{}", now))
        why = "network-prod/main.tf is in network-prod/"
        made = DeliveryDecision(DecisionKind.RUN, why, "network-prod", run.id)
        tx.deliveries.handled("d-run", now, [made])
        tx.deliveries.handled(
            "d-nothing", now, [DeliveryDecision(DecisionKind.NOTHING, "nothing in dns/ changed")]
        )
        tx.deliveries.handled("d-failed", now, [], "gave up: the forge answered 404")
