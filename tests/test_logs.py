"""Lines of the log: valid JSON whatever is logged, with the ids of the work, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.logs import HIDDEN, JsonLines, TextLines
from bot.services.tracing.context import about, ids, traced_from, traceparent
from bot.vault import generate_key
from bot.wiring import configured
from tests.fakes.house import House
from tests.support.stores import Stores

PLACE = f"00-{'a' * 32}-{'b' * 16}-01"


class Listening:
    """A logger that keeps its lines."""

    def __init__(self, lines: logging.Formatter) -> None:
        self._kept = io.StringIO()
        handler = logging.StreamHandler(self._kept)
        handler.setFormatter(lines)
        self.log = logging.Logger("bot.test")
        self.log.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self._kept.getvalue().splitlines()

    @property
    def events(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def said() -> Listening:
    return Listening(JsonLines(["hunter2", "pass\nphrase", "xy"]))


def test_an_event_is_one_line_with_the_ids_of_the_work(said: Listening) -> None:
    with about(request="req-1"), about(delivery="d-1", run=""), traced_from(PLACE):
        said.log.warning("two\nlines of %s", "text\u2028")
    said.log.info("nothing known")
    first, second = said.events
    assert {key: first[key] for key in ("level", "logger", "message", "request", "delivery", "trace")} == {
        "level": "WARNING",
        "logger": "bot.test",
        "message": "two\nlines of text\u2028",
        "request": "req-1",
        "delivery": "d-1",
        "trace": "a" * 32,
    }
    assert first["at"].endswith("+00:00")
    assert "run" not in first
    assert {"request", "trace"} & set(second) == set()
    assert all(line.isascii() for line in said.lines)


def test_an_error_has_its_traceback_in_the_same_line(said: Listening) -> None:
    try:
        raise ValueError("hunter2 is wrong")
    except ValueError:
        said.log.exception("it failed")
    (event,) = said.events
    assert "ValueError: *** is wrong" in event["error"]


@pytest.mark.parametrize("lines", [JsonLines, TextLines])
def test_secrets_are_hidden_wherever_they_are_and_short_words_are_not(
    lines: type[JsonLines] | type[TextLines],
) -> None:
    said = Listening(lines(["hunter2", 'quo"ted-secret', "phrase-one\nphrase-two", "xy", ""]))
    said.log.error("%s and %s, %s xy", "hunter2", 'quo"ted-secret', "phrase-two")
    (line,) = said.lines
    assert line.count(HIDDEN) == 3
    assert "hunter2" not in line
    assert "phrase-two" not in line
    assert "ted-secret" not in line
    assert "xy" in line


def test_a_line_for_people_names_ids_that_its_words_do_not_name() -> None:
    said = Listening(TextLines())
    with about(run="run-1", workspace="net"):
        said.log.info("run-1 is planned")
    (line,) = said.lines
    assert line.endswith("INFO    bot.test: run-1 is planned [workspace=net]")


def test_another_thread_knows_nothing_of_this_ones_work() -> None:
    seen: list[object] = []
    with about(run="run-1"):
        other = threading.Thread(target=lambda: seen.append(dict(ids())))
        other.start()
        other.join()
    assert seen == [{}]
    assert ids() == {}


def test_an_id_of_another_name_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="person"), about(person="ann"):
        pass


@pytest.mark.parametrize(
    "hostile",
    [None, 7, "", "00-x", PLACE + "\n", PLACE.upper(), f"00-{'0' * 32}-{'b' * 16}-01", PLACE * 99],
    ids=lambda each: repr(each)[:20],
)
def test_a_place_in_a_trace_that_is_not_valid_counts_as_none(hostile: object) -> None:
    with traced_from(PLACE):
        assert traceparent() == PLACE
        with traced_from(hostile):
            assert traceparent() == ""


def test_every_secret_of_the_settings_is_hidden_in_the_log(tmp_path: Path) -> None:
    config_file = tmp_path / "plangate.yml"
    config_file.write_text("workspaces: [{name: one, repo: acme/infra}]\n")
    (tmp_path / "token").write_text("token-of-a-file\n")
    keys = [generate_key(), generate_key()]
    config = configured(
        {
            "PLANGATE_CONFIG": str(config_file),
            "PLANGATE_DATA": str(tmp_path),
            "PLANGATE_URL": "https://plangate.test",
            "PLANGATE_SECRET_KEY": ",".join(keys),
            "PLANGATE_GITHUB_TOKEN_FILE": str(tmp_path / "token"),
            "PLANGATE_GITHUB_WEBHOOK_SECRET": "new-secret,old-secret",
            "DATABASE_URL": "postgresql://ann:database-password@db/plangate",
            "REDIS_URL": "redis://:redis-password@redis:6379/0",
            "PLANGATE_METRICS_TOKEN": "m" * 20,
        }
    )
    secrets = [*keys, "token-of-a-file", "new-secret", "old-secret", "database-password", "redis-password"]
    said = Listening(JsonLines(config.secret_values))
    said.log.info("%s", " ".join([*secrets, "m" * 20]))
    assert said.events[0]["message"] == " ".join([HIDDEN] * (len(secrets) + 1))
    assert not any(secret in repr(config) for secret in secrets)


@pytest.fixture
def house(stores: Stores) -> Iterator[House]:
    with stores.one() as kept:
        yield House(kept.store, kept.vault)


def test_a_run_at_work_logs_its_workspace_and_its_change(house: House) -> None:
    seen: dict[str, str] = {}
    house.workspace("net")
    house.engine.during("plan", lambda _: seen.update(ids()))
    house.open_change(1, "h1", "net/main.tf")
    (run,) = house.runs()
    with house.store.reading() as tx:
        change = tx.changes.id_of(house.find_workspace("net").repo, 1)  # type: ignore[union-attr]
    assert seen == {"run": run.id, "workspace": "net", "change": change}
