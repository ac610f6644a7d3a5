"""GitLab's own description of its API, and what is held against it: requests and answers as they went by."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from flask import Flask, Response, request
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.paths.exceptions import PathError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.support.contracts import CONTRACTS

PATH = CONTRACTS / "openapi" / "gitlab-subset.strict.json"
PREFIX = "/api/v4/"

# What is used here and the description has not, each for its reason.
LACKING = {
    ("POST", re.compile(r"/api/v4/projects/[^/]+/merge_requests")): "people open them, the bot never does",
    ("GET", re.compile(r".*/repository/merge_base")): "docs.gitlab.com/api/repositories/#merge-base",
    ("GET", re.compile(r"/api/v4/version")): "docs.gitlab.com/api/version",
    ("GET", re.compile(r".*/repository/tags/.+")): "docs.gitlab.com/api/tags/#retrieve-a-repository-tag",
    ("GET", re.compile(r".*/merge_trains/merge_requests/\d+")): "docs.gitlab.com/api/merge_trains",
    ("POST", re.compile(r".*/merge_trains/merge_requests/\d+")): "docs.gitlab.com/api/merge_trains",
    ("GET", re.compile(r".*/hooks/\d+/events")): "docs.gitlab.com/api/project_webhooks",
    ("POST", re.compile(r".*/hooks/\d+/events/\d+/resend")): "docs.gitlab.com/api/project_webhooks",
    ("POST", re.compile(r".*/merge_requests/\d+/(un)?approve")): "people do, the bot never does",
    # Of these it has no word, though the bot asks for them.
    ("GET", re.compile(r".*/merge_requests/\d+/reviewers")): "docs.gitlab.com/api/merge_requests",
    ("GET", re.compile(r"/api/v4/personal_access_tokens/self")): "docs.gitlab.com/api/personal_access_tokens",
    ("GET", re.compile(r"/api/v4/(projects|groups)/[^/]+/members")): "docs.gitlab.com/api/members",
}


@dataclass
class Exchange:
    """One request and its answer; `path` is as it was sent, `%2F` and all."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    sent: bytes
    status: int = 200
    answered: bytes = b""
    content_type: str = "application/json"

    host_url: str = "https://gitlab.example.com"

    def __str__(self) -> str:
        return f"{self.method} {self.path}?{self.query} -> {self.status}"


class _Request:
    def __init__(self, exchange: Exchange) -> None:
        self.host_url = exchange.host_url
        self.path = exchange.path
        self.method = exchange.method.lower()
        self.body = exchange.sent or None
        self.content_type = "application/json"
        query = ImmutableMultiDict(parse_qsl(exchange.query))
        self.parameters = RequestParameters(query=query, header=Headers(exchange.headers))


class _Response:
    def __init__(self, exchange: Exchange) -> None:
        self.data = exchange.answered
        self.status_code = exchange.status
        self.content_type = exchange.content_type
        self.headers = Headers()


@dataclass
class Recorder:
    """Keeps what goes over a playground's GitLab API."""

    exchanges: list[Exchange] = field(default_factory=list)

    def watch(self, app: Flask) -> None:
        """Begin; before the application has had its first request."""

        @app.after_request
        def record(response: Response) -> Response:
            if request.path.startswith(PREFIX):
                path, _, query = request.environ["RAW_URI"].partition("?")
                headers = {name.lower(): value for name, value in request.headers.items()}
                self.exchanges.append(
                    Exchange(
                        request.method, path, query, headers, request.get_data(),
                        response.status_code, response.get_data(), response.content_type or "",
                    )
                )  # fmt: skip
            return response

    def take(self) -> list[Exchange]:
        """Return what has gone by since the last time."""
        taken, self.exchanges = self.exchanges, []
        return taken


class GitLabDescription:
    """The description, which is read once."""

    def __init__(self) -> None:
        # Whether the description itself is in order is not what these tests are about, and takes long.
        read = json.loads(PATH.read_text())
        # It takes a branch's name for a number, and so does the file that it comes from.
        branch = read["paths"]["/api/v4/projects/{id}/repository/branches/{branch}"]["get"]
        for parameter in branch["parameters"]:
            if parameter["name"] == "branch":
                parameter["schema"]["type"] = "string"
        self._openapi = OpenAPI.from_dict(read, config=Config(spec_validator_cls=None))
        self.checked: set[tuple[str, str]] = set()

    def check_request(self, exchange: Exchange) -> None:
        """Hold a request against it. Raises what openapi-core does."""
        if not self._lacks(exchange):
            self._openapi.validate_request(_Request(exchange))

    def check(self, exchange: Exchange) -> None:
        """Hold a request that was granted, and its answer, against it. Raises what openapi-core does."""
        # Trouble that the playground makes on demand is no answer of GitLab's. That of 202, to a note which
        # was all quick actions, the description lacks.
        if self._lacks(exchange) or exchange.status in (202, 405, 409) or exchange.status >= 500:
            return
        if exchange.status < 300:
            self.check_request(exchange)
        try:
            self._openapi.validate_response(_Request(exchange), _Response(exchange))
        except PathError:
            # An address that there is not, asked for on purpose.
            assert exchange.status == 404, f"the description has no {exchange}"
            return
        self.checked.add((exchange.method, re.sub(r"/projects/[^/]+", "/projects/X", exchange.path)))

    def _lacks(self, exchange: Exchange) -> bool:
        return any(method == exchange.method and path.fullmatch(exchange.path) for method, path in LACKING)


def read_description() -> GitLabDescription | None:
    """Return the description, None where it is not beside the project."""
    return GitLabDescription() if PATH.is_file() else None
