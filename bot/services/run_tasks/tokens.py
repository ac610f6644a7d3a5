"""Tokens of run tasks: each is for one result and nothing else, and only while its answer is waited for."""

from __future__ import annotations

import hashlib
import hmac

from bot.domain.errors import Forbidden, NotFound
from bot.domain.tasks.tasks import TaskResult
from bot.services.ports import Clock, Store, Vault

_KEY = "run task"


class TaskTokens:
    """Creates and checks tokens. They are derived, so none is stored."""

    def __init__(self, store: Store, clock: Clock, vault: Vault) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault

    def of(self, result_id: str) -> str:
        """Return the token for a result."""
        return hmac.new(self._vault.key(_KEY), result_id.encode(), hashlib.sha256).hexdigest()

    def admit(self, result_id: str, token: str) -> TaskResult:
        """Return the result that a token is for. Raises Forbidden if it is for another one, or too late."""
        good = hmac.compare_digest(self.of(result_id).encode(), token.encode("utf-8", "replace"))
        if not good:
            raise Forbidden("this token is not for this result of a run task")
        try:
            with self._store.reading() as tx:
                result = tx.task_results.get(result_id)
        except NotFound:
            raise Forbidden("this token is not for this result of a run task") from None
        if result.status.final or result.late(self._clock.now()):
            raise Forbidden("this result of a run task is final: its token is not valid any more")
        return result
