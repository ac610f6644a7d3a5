"""Plans to look at, as Terraform gives them in JSON: one with everything in it, and very long ones."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.engine import change, plan_json

_POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}],
}
_SCRIPT = "#!/bin/sh\nset -eu\napt-get update\napt-get install -y nginx\nsystemctl enable nginx\n"


def a_bit_of_everything() -> dict[str, Any]:
    """Return a plan with every deed, modules within modules, long values, secrets, drift and outputs."""
    policy = {
        **_POLICY,
        "Statement": [{**_POLICY["Statement"][0], "Action": ["s3:GetObject", "s3:PutObject"]}],
    }
    network, zone = "module.network", 'module.network.module.zone["eu-central-1b"]'
    items = [
        change("aws_iam_policy.reader", "update",
               before={"name": "reader", "policy": json.dumps(_POLICY), "tags": {"team": "web"}},
               after={"name": "reader", "policy": json.dumps(policy), "tags": {"team": "platform"}}),
        _marked(change("aws_db_instance.main", "update",
                       before={"engine_version": "15.4", "password": "old", "port": 5432},
                       after={"engine_version": "16.1", "password": "new", "port": 5432}),
                before_sensitive={"password": True}, after_sensitive={"password": True}),
        change("aws_eip.old", "delete", before={"public_ip": "198.51.100.7", "domain": "vpc"},
               action_reason="delete_because_no_resource_config"),
        change("aws_s3_bucket.logs", "no-op", before={"bucket": "logs"}, after={"bucket": "logs"},
               previous_address="aws_s3_bucket.log"),
        _marked(change("aws_sns_topic.alerts", "no-op", before={"name": "alerts"}, after={"name": "alerts"}),
                importing={"id": "arn:aws:sns:eu-central-1:1:alerts"}),
        _marked(change(f"{network}.aws_instance.web", "delete", "create", module_address=network,
                       before={"ami": "ami-1", "instance_type": "t3.small", "user_data": _SCRIPT},
                       after={"ami": "ami-2", "instance_type": "t3.small",
                              "user_data": _SCRIPT.replace("nginx", "caddy")},
                       action_reason="replace_because_cannot_update"),
                after_unknown={"id": True, "private_ip": True}, replace_paths=[["ami"], ["user_data"]]),
        _marked(change(f"{network}.aws_vpc.main", "update", module_address=network,
                       before={"enable_dns_hostnames": False, "id": "vpc-0a1b2c"},
                       after={"enable_dns_hostnames": True, "id": "vpc-0a1b2c"}), after_unknown={}),
        _marked(change(f"{zone}.aws_subnet.this", "create", module_address=zone,
                       after={"cidr_block": "10.20.1.0/24", "availability_zone": "eu-central-1b",
                              "tags": {"Name": "b"}}), after_unknown={"id": True}),
    ]  # fmt: skip
    drift = [change("aws_vpc.main", "update", before={"tags": {"a": "1"}}, after={"tags": {"a": "2"}})]
    return plan_json(*items, outputs={"url": ["create"], "zones": ["update"]}, resource_drift=drift)


def many_changes(number: int) -> dict[str, Any]:
    """Return a plan with so many changes, in forty modules, of which one stands out."""
    items = []
    for n in range(number):
        module = f"module.region[{n % 40}]"
        actions = (("create",), ("update",), ("delete",), ("delete", "create"))[n % 4]
        about = {f"attribute_{k}": f"value {k} of {n}" for k in range(8)}
        before = None if actions == ("create",) else {**about, "size": n}
        after = None if actions == ("delete",) else {**about, "size": n + 1}
        items.append(
            change(
                f"{module}.aws_subnet.zone[{n}]", *actions, before=before, after=after, module_address=module
            )
        )
    items.append(change("aws_route53_zone.needle", "create", after={"name": "example.com"}))
    return plan_json(*items)


def _marked(item: dict[str, Any], **marks: Any) -> dict[str, Any]:
    item["change"].update(marks)
    return item
