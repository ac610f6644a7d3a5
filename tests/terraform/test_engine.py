from __future__ import annotations

import dataclasses
import json

import pytest

RESOURCE = 'resource "terraform_data" "x" {\n  input = "one"\n}\n'


def test_plan_and_apply_keep_the_state_on_the_server(rig, onlooker):
    engine, job, watch = rig.engine(), rig.job(RESOURCE), onlooker()

    engine.fetch(job, watch)
    plan = engine.plan(job, watch)
    done = engine.apply(job, plan, watch)

    assert json.loads(plan.plan_json)["resource_changes"][0]["address"] == "terraform_data.x"
    assert done.succeeded
    assert done.summary == "Apply complete! Resources: 1 added, 0 changed, 0 destroyed."
    assert rig.server.resources == ["terraform_data.x"]
    assert [line for line in watch.text.splitlines() if line.startswith("$")] == [
        "$ terraform init", "$ terraform plan", "$ terraform apply",
    ]
