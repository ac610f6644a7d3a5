"""Keys that sign identity tokens: where they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class IdentityKey:
    """A key. `private` is a PEM, empty once it signs no more; `public` is a JWK without its id.

    It signs from `used_from` on, and its public half is served from the moment in which it was made, so that
    caches of the key set have it by then. `retired_at` is when the next one takes over.
    """

    id: str
    private: bytes = field(repr=False)
    public: Mapping[str, str]
    used_from: datetime
    retired_at: datetime | None = None

    def signs(self, now: datetime) -> bool:
        """Whether tokens are signed with it now."""
        return (
            bool(self.private)
            and self.used_from <= now
            and (self.retired_at is None or now < self.retired_at)
        )


class IdentityKeys(Protocol):
    """Keys that sign identity tokens. Private halves are encrypted at rest."""

    def all(self) -> Sequence[IdentityKey]:
        """Return every key, the newest first."""
        ...

    def add(self, key: IdentityKey) -> None:
        """Keep a key."""
        ...

    def retire(self, key_id: str, at: datetime) -> None:
        """Say from when on a key signs no more."""
        ...

    def forget_private(self, key_id: str) -> None:
        """Forget the private half of a key that signs no more."""
        ...

    def remove(self, key_id: str) -> None:
        """Forget a key: its public half is not served any more, and its tokens are worth nothing."""
        ...
