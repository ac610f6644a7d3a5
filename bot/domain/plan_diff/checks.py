"""Which checks, conditions and validations of a plan have not passed, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.domain.plan_diff.headers import HeaderWords, text_of

_STATUSES = {
    "fail": "failed",
    "error": "could not be evaluated",
    "unknown": "is known after apply",
}


def not_passed(document: Mapping[str, Any], words: HeaderWords) -> Iterator[tuple[str, str, list[str]]]:
    """Give each check's name, the line that says how it stands, and its messages."""
    found = document.get("checks")
    for check in found if isinstance(found, list) else ():
        if not isinstance(check, dict) or check.get("status") == "pass":
            continue
        instances = [each for each in check.get("instances") or () if isinstance(each, dict)]
        # A check without instances has not come to any, so it speaks for itself.
        for each in instances or [check]:
            if each.get("status") == "pass":
                continue
            address = each.get("address") or check.get("address") or {}
            address = address if isinstance(address, dict) else {}
            shown = words.address(address, "to_display")
            status = text_of(each, "status")
            says = _STATUSES.get(status, f"has the status {words.literal(status)}")
            problems = [each for each in each.get("problems") or () if isinstance(each, dict)]
            messages = [text_of(problem, "message") for problem in problems]
            yield text_of(address, "to_display"), f"# {shown} {says}", messages
