"""Files and output of runs in the database: the Artifacts port."""

from __future__ import annotations

import sqlalchemy as sa

from bot.services.ports.runs import ArtifactKind
from bot.services.ports.world import Vault
from bot.store.columns import keepable
from bot.store.schema import artifacts, output
from bot.store.upserts import insert_or_update


class SqlArtifacts:
    """Files (encrypted by the vault: promise 6) and output (masked before) of one transaction."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def put(self, run_id: str, kind: ArtifactKind, data: bytes) -> None:
        """Keep a file of a run, in place of an earlier one."""
        token = self._vault.encrypt(data)
        row = {"run_id": run_id, "kind": kind.value, "data": token}
        insert_or_update(self._connection, artifacts, ["run_id", "kind"], row, {"data": token})

    def get(self, run_id: str, kind: ArtifactKind) -> bytes | None:
        """Return a file of a run, None where there is none."""
        query = sa.select(artifacts.c.data).where(
            artifacts.c.run_id == run_id, artifacts.c.kind == kind.value
        )
        token = self._connection.execute(query).scalar_one_or_none()
        return None if token is None else self._vault.decrypt(token)

    def append_output(self, run_id: str, stage: str, text: str) -> None:
        """Add to the output of a stage, as a row of its own: what is there is never written again."""
        if not text:
            return
        last = self._connection.execute(
            sa.select(output.c.begin + output.c.length)
            .where(output.c.run_id == run_id, output.c.stage == stage)
            .order_by(output.c.begin.desc())
            .limit(1)
        ).scalar_one_or_none()
        self._connection.execute(
            sa.insert(output).values(
                run_id=run_id, stage=stage, begin=last or 0, length=len(text), text=keepable(text)
            )
        )

    def output(self, run_id: str, stage: str, offset: int = 0) -> str:
        """Return a stage's output from a character offset; empty past its end."""
        mine = sa.and_(output.c.run_id == run_id, output.c.stage == stage)
        first = sa.select(sa.func.max(output.c.begin)).where(mine, output.c.begin <= offset).scalar_subquery()
        rows = self._connection.execute(
            sa.select(output.c.begin, output.c.text)
            .where(mine, output.c.begin >= first)
            .order_by(output.c.begin)
        ).all()
        if not rows:
            return ""
        return "".join(text for _, text in rows)[offset - rows[0].begin :]

    def clear_output(self, run_id: str, stage: str) -> None:
        """Forget a stage's output: the stage starts again."""
        self._connection.execute(sa.delete(output).where(output.c.run_id == run_id, output.c.stage == stage))
