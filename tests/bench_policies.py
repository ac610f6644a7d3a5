"""How long policies take to judge small and large plans, by each evaluator; `make bench` prints it."""

from __future__ import annotations

import json
import sys
import time

from bot.domain.policies.policy import EnforcementLevel, PolicyOutcome
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.ports import PolicyJob, WatchSignal
from tests.support.opa import OpaMissing, opa_programs

SIZES = (10, 1_000, 10_000)
POLICIES = 30


class Patience:
    """A watcher that lets it go on."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> WatchSignal:
        """Go on."""
        return WatchSignal.GO_ON


def rules() -> bytes:
    """Return policies that each look at every resource, and find something wrong with a few."""
    policies = [
        f"deny_{number} contains message if {{\n\tsome resource in input.resource_changes\n"
        f'\tresource.type == "aws_instance"\n\tnot resource.change.after.tags.team{number}\n'
        f"\tresource.index % 1000 == {number}\n"
        '\tmessage := sprintf("%s has no team", [resource.address])\n}'
        for number in range(POLICIES)
    ]
    return "\n\n".join(["package main", *policies]).encode()


def plan(size: int) -> bytes:
    """Return a plan that adds so many resources."""
    tags = {"owner": "net", "environment": "prod"}
    changes = [
        {
            "address": f"aws_instance.web[{index}]",
            "type": "aws_instance",
            "index": index,
            "change": {
                "actions": ["create"],
                "before": None,
                "after": {"ami": "ami-0a1b2c", "instance_type": "t3.micro", "tags": tags},
                "after_unknown": {"id": True},
            },
        }
        for index in range(size)
    ]
    return json.dumps({"resource_changes": changes}).encode()


def messages() -> bytes:
    """Return a policy that gives ten thousand messages."""
    return b'package main\n\ndeny contains sprintf("%d is wrong", [i]) if some i in numbers.range(1, 10000)\n'


def judging() -> None:
    """Print how long each plan takes by each evaluator, from the files to the last policy's answer."""
    engines = [RegoEngine(Child(lambda argv, _: argv))]
    try:
        engines.insert(0, RegoEngine(Child(lambda argv, _: argv), opa_programs()))
    except OpaMissing as error:
        sys.stdout.write(f"  {error}\n")
    for engine in engines:
        by = engine.evaluator()
        for size in SIZES:
            _timed(engine, f"{by}: {POLICIES} policies, {size:,} resources", rules(), plan(size))
        _timed(engine, f"{by}: the same again, compiled", rules(), plan(SIZES[-1]))
        _timed(engine, f"{by}: 10,000 messages", messages(), b"{}")


def _timed(engine: RegoEngine, name: str, source: bytes, plan_json: bytes) -> None:
    begin = time.perf_counter()
    (found,) = engine.judge(
        [PolicyJob({"main.rego": source}, EnforcementLevel.SOFT, plan_json, {})], Patience()
    )
    took = time.perf_counter() - begin
    wrong = sum(one.outcome is PolicyOutcome.ERRORED for one in found)
    note = f"   {wrong} could not be evaluated" if wrong else ""
    sys.stdout.write(f"  {name:<62} {took * 1000:8.0f} ms{note}\n")


if __name__ == "__main__":
    judging()
