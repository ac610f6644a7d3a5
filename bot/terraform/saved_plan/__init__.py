"""Saved plans, read by the worker itself: the judge of what `terraform show -json` says.

`decode` reads the bytes that are applied, `agree` compares them with the JSON that people and policies see,
`snapshot_matches` compares the configuration in them with the commit.
"""

from bot.terraform.saved_plan.agreement import agree, marked_by_schema
from bot.terraform.saved_plan.decoding import decode
from bot.terraform.saved_plan.faults import UnknownPlanFormat, UnreadablePlan
from bot.terraform.saved_plan.forms import Difference
from bot.terraform.saved_plan.model import SavedPlan
from bot.terraform.saved_plan.snapshot import configuration_hash, remote_modules, snapshot_matches
from bot.terraform.saved_plan.values import Unknown

__all__ = [
    "Difference",
    "SavedPlan",
    "Unknown",
    "UnknownPlanFormat",
    "UnreadablePlan",
    "agree",
    "configuration_hash",
    "decode",
    "marked_by_schema",
    "remote_modules",
    "snapshot_matches",
]
