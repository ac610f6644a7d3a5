"""How long 30 policies take to judge plans of 10, 1,000 and 10,000 resources; `make bench` prints it."""

from __future__ import annotations

import json
import sys
import time

from bot.domain.policy import Level, Outcome
from bot.policies import RegoEngine
from bot.policies.child import Child
from bot.services.ports import PolicyJob, Stop

SIZES = (10, 1_000, 10_000)
POLICIES = 30


class Patience:
    """A watcher that lets it go on."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> Stop:
        """Go on."""
        return Stop.GO_ON


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


def judging() -> None:
    """Print how long each plan takes, from the files to the last policy's answer."""
    engine = RegoEngine(Child(lambda argv, _: argv))
    for size in SIZES:
        begin = time.perf_counter()
        found = engine.judge(PolicyJob({"main.rego": rules()}, Level.SOFT, plan(size), {}), Patience())
        took = time.perf_counter() - begin
        wrong = sum(one.outcome is Outcome.ERRORED for one in found)
        sys.stdout.write(
            f"  {POLICIES} policies on {size:,} resources{'':<{18 - len(f'{size:,}')}} {took * 1000:8.0f} ms"
            f"{f'   {wrong} could not be evaluated' if wrong else ''}\n"
        )


if __name__ == "__main__":
    judging()
