"""The log: a line for each event, as text or JSON, with the ids of the work at hand and without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from bot.services.tracing import context

HIDDEN = "***"
# A shorter secret would hide ordinary words.
_SHORTEST = 6


class TextLines(logging.Formatter):
    """Lines for people. The ids of the work at hand are at the end."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = _sorted(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        first, *rest = super().format(record).split("\n")
        said = [f"{name}={value}" for name, value in context.ids().items() if value not in first]
        return _hidden("\n".join([f"{first} [{' '.join(said)}]" if said else first, *rest]), self._secrets)


class JsonLines(logging.Formatter):
    """One JSON object in one line for each event: `at`, `level`, `logger`, `message`, and what is known.

    Further keys: the ids of `context.IDS`, `trace`, and `error` with the traceback.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = _sorted(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        about: dict[str, str] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **context.ids(),
        }
        if trace := context.traceparent():
            about["trace"] = trace.split("-")[1]
        if record.exc_info:
            about["error"] = self.formatException(record.exc_info)
        # Before the quoting, which would change a secret with a quote in it.
        return json.dumps({key: _hidden(text, self._secrets) for key, text in about.items()})


def begin_logging(level: str, *, as_json: bool, secrets: Iterable[str] = ()) -> None:
    """Log on standard error from now on. `secrets` are replaced wherever they appear."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(secrets) if as_json else TextLines(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Each request to the forge would be a line; what matters of them we log ourselves.
    for name in ("httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _sorted(secrets: Iterable[str]) -> tuple[str, ...]:
    """Longest first: one secret may be part of another."""
    parts = {line for secret in secrets for line in (secret, *secret.splitlines())}
    return tuple(sorted((each for each in parts if len(each) >= _SHORTEST), key=len, reverse=True))


def _hidden(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
