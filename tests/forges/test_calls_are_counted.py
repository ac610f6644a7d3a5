"""Each call of a forge's API is counted by its answer, with what the rate limit leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from bot.domain.errors import PlangateError
from bot.domain.events import RepoRef
from bot.forges.github.auth import TokenLogin as GitHubToken
from bot.forges.github.client import GitHubForge
from bot.forges.gitlab.api import TokenLogin as GitLabToken
from bot.forges.gitlab.client import GitLabForge
from bot.services.metrics.catalogue import FORGE_CALLS, FORGE_CALLS_LEFT, FORGE_SECONDS
from bot.services.ports import Forge
from tests.fakes.github_api import Reply, ScriptedForge
from tests.fakes.meter import FakeMeter

PREFIXES = {"github": "/api/v3", "gitlab": "/api/v4"}
LEFT = {"github": "X-RateLimit-Remaining", "gitlab": "RateLimit-Remaining"}


@pytest.fixture(params=sorted(PREFIXES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str) -> Iterator[ScriptedForge]:
    with ScriptedForge(PREFIXES[kind]) as found:
        yield found


@pytest.fixture
def meter() -> FakeMeter:
    return FakeMeter()


@pytest.fixture
def forge(kind: str, server: ScriptedForge, meter: FakeMeter) -> Forge:
    return client(kind, server, meter)


def client(kind: str, server: ScriptedForge, meter: FakeMeter) -> Forge:
    web = server.url.removesuffix(PREFIXES[kind])
    if kind == "github":
        return GitHubForge("hub", GitHubToken("token"), api_url=server.url, web_url=web, meter=meter)
    return GitLabForge("hub", GitLabToken("token"), url=web, meter=meter)


def ask(forge: Forge) -> None:
    with suppress(PlangateError):
        forge.change(RepoRef("hub", "acme/infra"), 7)


@pytest.mark.parametrize(
    ("status", "counted"), [(200, "2xx"), (404, "4xx"), (401, "4xx"), (429, "4xx"), (502, "5xx")]
)
def test_a_call_is_counted_by_the_class_of_its_answer(
    forge: Forge, kind: str, server: ScriptedForge, meter: FakeMeter, status: int, counted: str
) -> None:
    server.on("GET", ".*", Reply({"message": "as it is"}, status, {LEFT[kind]: "4321"}))
    ask(forge)
    assert meter.counted(FORGE_CALLS) == {("hub", counted): len(server.asked)}
    assert meter.counted(FORGE_SECONDS) == {("hub",): len(server.asked)}
    assert meter.counted(FORGE_CALLS_LEFT) == {("hub",): 4321}


@pytest.mark.parametrize("left", ["", "-1", "lots", "9" * 400, "٣"])
def test_a_limit_that_is_no_number_is_not_kept(
    forge: Forge, kind: str, server: ScriptedForge, meter: FakeMeter, left: str
) -> None:
    server.on("GET", ".*", Reply({}, 200, {LEFT[kind]: left.encode().decode("latin-1")}))
    ask(forge)
    assert meter.counted(FORGE_CALLS) == {("hub", "2xx"): len(server.asked)}
    assert meter.counted(FORGE_CALLS_LEFT) == {}


def test_a_forge_that_does_not_answer_is_counted_too(kind: str, meter: FakeMeter) -> None:
    with ScriptedForge(PREFIXES[kind]) as gone:
        forge = client(kind, gone, meter)
    ask(forge)
    assert meter.counted(FORGE_CALLS) == {("hub", "none"): 1}
