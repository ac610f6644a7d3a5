"""The part of GitHub that Apps talk to: it verifies each signature and gives tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt

from tests.fakes.github_api import Asked, Reply, ScriptedGitHub

INSTALLATIONS = {"acme": 11, "globex": 22}
NOT_FOUND = Reply({"message": "Not Found"}, 404)


class Hours:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, **time: float) -> None:
        self.moment += timedelta(**time)


class AppSide:
    """The part of GitHub that Apps talk to; it verifies every signature."""

    def __init__(self, github: ScriptedGitHub, hours: Hours, public_pem: str) -> None:
        self.public_pem = public_pem
        self.hours = hours
        self.installations = dict(INSTALLATIONS)
        self.tokens = 0
        self.apps = {"4711"}
        github.on("GET", "/app", lambda asked: self.signed(asked) or Reply({"id": 4711, "slug": "plangate"}))
        github.on("GET", "/repos/[^/]+/[^/]+/installation", self.installation)
        github.on("POST", r"/app/installations/\d+/access_tokens", self.token)

    def signed(self, asked: Asked) -> Reply | None:
        try:
            claims = jwt.decode(asked.token, self.public_pem, algorithms=["RS256"])
        except jwt.PyJWTError as problem:
            return Reply({"message": f"A JSON web token could not be decoded: {problem}"}, 401)
        assert claims["iss"] in self.apps
        assert claims["exp"] - claims["iat"] <= 600
        return None

    def installation(self, asked: Asked) -> Reply:
        number = self.installations.get(asked.path.split("/")[2].lower())
        return self.signed(asked) or (Reply({"id": number}) if number else NOT_FOUND)

    def token(self, asked: Asked) -> Reply:
        number = int(asked.path.split("/")[3])
        if number not in self.installations.values():
            return NOT_FOUND
        self.tokens += 1
        until = (self.hours() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        token = f"ghs_{number}_{self.tokens}"
        return self.signed(asked) or Reply({"token": token, "expires_at": until}, 201)
