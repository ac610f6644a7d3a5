"""Configuration versions: what a run is fixed to if it is not a commit, an uploaded archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class UploadStatus(StrEnum):
    """The status of an upload. An archived one can't be used for new runs: its bytes were deleted."""

    PENDING = "pending"
    UPLOADED = "uploaded"
    ERRORED = "errored"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class ConfigurationVersion:
    """An upload of a workspace. Its bytes are stored apart from it.

    A `speculative` one makes only plan-only runs. `provisional` ones may make saved plans. `queues_run`: the
    upload itself creates a run, with `may_apply` as the person who asked for the upload could. `source` is
    the client's word, such as `terraform+cloud`. `size` is in bytes.
    """

    id: str
    workspace_id: str
    created_by: str
    created_at: datetime
    status: UploadStatus = UploadStatus.PENDING
    source: str = "tfe-api"
    speculative: bool = False
    provisional: bool = False
    queues_run: bool = False
    may_apply: bool = False
    uploaded_at: datetime | None = None
    size: int = 0
    error: str = ""
