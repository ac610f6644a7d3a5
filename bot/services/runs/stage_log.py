"""The log of a stage as clients of the API read it: bytes from an offset, between STX and ETX.

Offsets never move: what is written once stays where it is. Clients drop the first three lines of an apply's
log, which are a preamble there.
"""

from __future__ import annotations

from bot.domain.runs.lifecycle import StageStatus
from bot.domain.runs.run import Run
from bot.services.ports import Store
from bot.services.runs.output_pieces import is_over

BEGIN, END = b"\x02", b"\x03"


def read_log(store: Store, run_id: str, stage: str, offset: int, limit: int) -> bytes:
    """Return at most `limit` bytes of a stage's log from `offset` on. Raises NotFound.

    The log is complete only if its run says so: a stage that failed ends with its error.
    """
    with store.reading() as tx:
        run = tx.runs.get(run_id)
        text = tx.artifacts.output(run_id, stage)
    whole = BEGIN + _preamble(run, stage) + text.encode("utf-8", "replace")
    if is_over(run, stage):
        whole += _last_words(run, stage, text).encode("utf-8", "replace") + END
    elif not text:
        # The version that stands in the preamble is known once the plan was made.
        whole = BEGIN
    return whole[offset : offset + limit]


def _preamble(run: Run, stage: str) -> bytes:
    if stage != "apply":
        return b""
    return f"Terraform v{run.engine_version or '?'}\nInitializing plugins and modules...\n\n".encode()


def _last_words(run: Run, stage: str, text: str) -> str:
    """Say how a stage ended if its output does not: a client prints nothing else."""
    status = run.plan_status if stage == "plan" else run.apply_status
    if status is StageStatus.ERRORED and run.error and run.error.strip() not in text:
        return f"\nError: {run.error.strip()}\n"
    if status is StageStatus.CANCELED:
        return "\nThe run was canceled.\n"
    return ""
