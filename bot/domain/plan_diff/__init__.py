"""A plan's text and its comparison with another plan, from the JSON alone."""

from bot.domain.plan_diff.differences import PlanDifference, differences
from bot.domain.plan_diff.document import Kind, PlanEntry, PlanPart, PlanText, render
from bot.domain.plan_diff.texts import TextLimits

__all__ = [
    "Kind",
    "PlanDifference",
    "PlanEntry",
    "PlanPart",
    "PlanText",
    "TextLimits",
    "differences",
    "render",
]
