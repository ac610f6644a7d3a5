"""The stored form of a post's content: strings by name, told apart by `kind`.

Don't change the form: its hash says whether a post is on the forge. A new hash sends all posts again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import assert_never

from bot.domain.reports.posts import (
    CommentPost,
    LabelsPost,
    MergePost,
    PostContent,
    Reaction,
    ReactionPost,
    StatusPost,
    UnknownPost,
)
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.workspaces.merge_method import MergeMethod


def content_hash(content: PostContent) -> str:
    """Return the hash that is compared with the delivered post's hash, hexadecimal."""
    return hashlib.sha256(json.dumps(encoded(content), sort_keys=True).encode()).hexdigest()


def encoded(content: PostContent) -> dict[str, str]:
    """Return the form in which a post's content is stored."""
    match content:
        case StatusPost(status, shows):
            found = {
                "kind": "status",
                "sha": status.sha,
                "context": status.context,
                "state": status.state.value,
                "description": status.description,
                "target_url": status.target_url,
            }
            return found | _shows(shows)
        case CommentPost(number, marker, body, settled, shows, lists):
            found = {"kind": "comment", "number": str(number), "marker": marker, "body": body}
            if settled is not None:
                found["settled"] = "yes" if settled else "no"
            if lists:
                found["lists"] = " ".join(lists)
            return found | _shows(shows)
        case ReactionPost(number, comment_id, reaction):
            return {
                "kind": "reaction",
                "number": str(number),
                "comment_id": comment_id,
                "reaction": reaction.value,
            }
        case LabelsPost(number, labels):
            return {"kind": "labels", "number": str(number), "labels": json.dumps(labels)}
        case MergePost(number, sha, method):
            return {
                "kind": "merge",
                "number": str(number),
                "sha": sha,
                "method": method.value if method else "",
            }
        case UnknownPost(stored):
            return dict(stored)
    assert_never(content)


def decoded(stored: Mapping[str, str]) -> PostContent:
    """Return a stored content; an UnknownPost if it is not exactly what this version would store."""
    try:
        content = _read(stored)
    except (AttributeError, KeyError, TypeError, ValueError):
        return UnknownPost(stored)
    return content if encoded(content) == stored else UnknownPost(stored)


def _read(stored: Mapping[str, str]) -> PostContent:
    """Read the parts that each kind has. What is raised says that the form is another one."""
    shows = tuple(stored.get("shows", "").split())
    match stored["kind"]:
        case "status":
            state = StatusState(stored["state"])
            status = StatusReport(
                stored["sha"], stored["context"], state, stored["description"], stored["target_url"]
            )
            return StatusPost(status, shows)
        case "comment":
            settled = {"yes": True, "no": False, None: None}[stored.get("settled")]
            lists = tuple(stored.get("lists", "").split())
            return CommentPost(int(stored["number"]), stored["marker"], stored["body"], settled, shows, lists)
        case "reaction":
            return ReactionPost(int(stored["number"]), stored["comment_id"], Reaction(stored["reaction"]))
        case "labels":
            return LabelsPost(int(stored["number"]), tuple(json.loads(stored["labels"])))
        case "merge":
            method = MergeMethod(stored["method"]) if stored["method"] else None
            return MergePost(int(stored["number"]), stored["sha"], method)
        case kind:
            raise ValueError(kind)


def _shows(run_ids: tuple[str, ...]) -> dict[str, str]:
    return {"shows": " ".join(run_ids)} if run_ids else {}
