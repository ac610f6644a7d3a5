"""Programs that ask the API: an owner's, and those of people with a role in the repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from tests.web.conftest import World

JSON_API = "application/vnd.api+json"
A_TENTH = timedelta(seconds=0.1)


@dataclass
class ApiClient:
    """A program with a token, or without one."""

    world: World
    secret: str = ""

    def ask(self, method: str, path: str, document: Any = None, **more: Any) -> TestResponse:
        headers = {"Content-Type": JSON_API}
        if self.secret:
            headers["Authorization"] = f"Bearer {self.secret}"
        data = json.dumps(document) if document is not None else None
        # Tests ask more often than programs may in a second.
        self.world.clock.pass_by(A_TENTH)
        return self.world.stranger().open(f"/api/v2{path}", method=method, headers=headers, data=data, **more)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.ask("GET", path, **more)

    def found(self, path: str) -> dict[str, Any]:
        said = self.get(path)
        assert said.status_code == 200, said.get_data(as_text=True)
        return dict(said.get_json(force=True))

    def send(self, method: str, path: str, kind: str, attributes: Any, **related: Any) -> TestResponse:
        relationships = {name.replace("_", "-"): {"data": data} for name, data in related.items()}
        data = {"type": kind, "attributes": attributes, "relationships": relationships}
        return self.ask(method, path, {"data": data})


@pytest.fixture
def program(world: World) -> Callable[..., ApiClient]:
    """Makes programs: of a login with a scope, and with a role in the repository of the workspaces."""

    def make(login: str = "olga", scope: str = "admin", role: Role | None = None, **more: Any) -> ApiClient:
        if role is not None:
            world.forge.set_role(world.workspace().repo, login, role)
        account = Account("hub", login)
        name = f"program {len(world.services.tokens.of(account))}"
        secret = world.services.tokens.make(account, Person(login, Role.NONE), name, scope, **more)
        return ApiClient(world, secret)

    return make
