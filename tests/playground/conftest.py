from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.playground.server import Playground
from tests.playground.kit import (
    SECRET,
    GitHubClient,
    GitHubDescription,
    Listener,
    WorkingTree,
    authenticated,
)
from tests.support.contracts import CONTRACTS


@pytest.fixture(scope="session")
def description() -> GitHubDescription | None:
    path = CONTRACTS / "openapi" / "github-subset.strict.json"
    return GitHubDescription(path) if path.exists() else None


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    """Give a forge with acme/infra on it: alice writes, bob maintains, carol only reads."""
    with Playground(tmp_path / "forge", SECRET) as running:
        forge = running.forge
        for login in ("alice", "bob", "carol", "ada"):
            forge.add_user(login, token=f"token-of-{login}")
        forge.create_repo("acme/infra")
        for login, role in (("alice", "write"), ("bob", "maintain"), ("ada", "admin")):
            forge.grant("acme/infra", login, role)
        forge.commit(
            "acme/infra", "main", {"main.tf": "# begin\n", "net/main.tf": "# net\n"}, "alice", "Begin"
        )
        yield running


@pytest.fixture
def listener(playground: Playground) -> Iterator[Listener]:
    """Give a receiver of the forge's events."""
    receiver = Listener(playground)
    playground.add_hook(receiver.url)
    playground.settle()
    yield receiver
    receiver.stop()


@pytest.fixture
def as_user(playground: Playground, description: GitHubDescription | None) -> Callable[[str], GitHubClient]:
    """Give a client of the API for somebody."""

    def client(login: str) -> GitHubClient:
        return GitHubClient(playground, f"token-of-{login}" if login else "", description)

    return client


@pytest.fixture
def alice(as_user: Callable[[str], GitHubClient]) -> GitHubClient:
    return as_user("alice")


@pytest.fixture
def clone(playground: Playground, tmp_path: Path) -> Callable[..., WorkingTree]:
    """Clone a repository as somebody."""

    def cloned(login: str = "alice", full_name: str = "acme/infra") -> WorkingTree:
        path = tmp_path / f"{login}-{full_name.replace('/', '-')}"
        path.mkdir()
        tree = WorkingTree(path, login)
        tree.git("clone", "--quiet", authenticated(playground, full_name, f"token-of-{login}"), ".")
        return tree

    return cloned


@pytest.fixture
def pull(playground: Playground) -> int:
    """Give an open pull request of alice's."""
    files = {"net/main.tf": "# net\n# more\n", "db/main.tf": "# db\n"}
    playground.forge.commit("acme/infra", "add-db", files, "alice", "Add a database")
    return playground.forge.open_pull("acme/infra", "alice", "add-db", title="A database").number


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    """Check that a stopped playground works no more; one of other tests may be at work beside it."""
    before = set(threading.enumerate())
    yield
    ours = [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name in ("playground-web", "playground-webhooks")
    ]
    for thread in ours:
        # It has been told to end; the moment until it has is no fault.
        thread.join(10)
    assert not [thread.name for thread in ours if thread.is_alive()]
