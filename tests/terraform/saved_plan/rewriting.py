"""Changes saved plans: other members in the zip, another message in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan.description import parse


def members_of(saved: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(saved)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(members: Mapping[str, bytes], method: int = ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with ZipFile(packed, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


def with_member(saved: bytes, name: str, content: bytes | None) -> bytes:
    members = {**members_of(saved), name: content}
    return zipped({name: content for name, content in members.items() if content is not None})


def with_message(
    saved: bytes, change: Callable[[Any], None], kind: EngineKind = EngineKind.TERRAFORM
) -> bytes:
    """Return the plan with its message changed."""
    message = parse(members_of(saved)["tfplan"], kind)
    change(message)
    return with_member(saved, "tfplan", message.SerializeToString())
