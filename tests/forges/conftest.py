"""Forges to test against: the playground, and a key for an App."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from openapi_core import OpenAPI

from bot.playground.server import Playground
from tests.fakes.github_api import Described, ScriptedForge, ScriptedGitHub
from tests.support.contracts import CONTRACTS
from tests.support.gitlab_description import Exchange, GitLabDescription, Recorder, read_description

OPENAPI = CONTRACTS / "openapi" / "github-subset.strict.json"


@pytest.fixture(scope="session")
def app_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def private_pem(app_key: rsa.RSAPrivateKey) -> str:
    return app_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@pytest.fixture(scope="session")
def public_pem(app_key: rsa.RSAPrivateKey) -> str:
    return app_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="session")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="session")
def playground(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> Iterator[Playground]:
    built = Playground(tmp_path_factory.mktemp("playground"))
    recorder.watch(built.app)
    with built as running:
        yield running


@pytest.fixture(scope="session")
def gitlab_description() -> GitLabDescription | None:
    """GitLab's own description of its API; None where it is not beside the project."""
    return read_description()


@pytest.fixture(scope="session")
def description() -> OpenAPI | None:
    """GitHub's own description of its API; None where it is not beside the project."""
    return OpenAPI.from_dict(json.loads(OPENAPI.read_text())) if OPENAPI.is_file() else None


@pytest.fixture
def gitlab(gitlab_description: GitLabDescription | None) -> Iterator[ScriptedForge]:
    """A scripted GitLab under a path; in the end, every request must be one that the real one takes."""
    with ScriptedForge("/git/lab/api/v4") as running:
        yield running
    if gitlab_description is not None:
        for asked in running.asked:
            query = "&".join(f"{name}={value}" for name, value in asked.query.items())
            path = f"/api/v4{asked.path}"
            gitlab_description.check_request(Exchange(asked.method, path, query, asked.headers, asked.body))


@pytest.fixture
def github(description: OpenAPI | None) -> Iterator[ScriptedGitHub]:
    """A scripted GitHub; in the end, every request that it got must be one that the real one takes."""
    with ScriptedGitHub() as running:
        yield running
    if description is not None:
        for asked in running.asked:
            # Not in the description's part that we have.
            if not re.fullmatch(
                r"/app-manifests/.*|/app/hook/config|/repos/[^/]+/[^/]+/(hooks|issues/comments)", asked.path
            ):
                description.validate_request(Described(asked))
