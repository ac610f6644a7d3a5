"""The playground as a well-known client library sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from githubkit import AppAuthStrategy, GitHub

from bot.playground.server import Playground


def test_githubkit_signs_in_as_an_app_and_speaks_for_its_installation(
    playground: Playground, pull: int
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    installation = playground.forge.install_app(playground.forge.register_app(42, "plangate"), "acme")
    client = GitHub(AppAuthStrategy(42, pem), base_url=playground.api_url, timeout=10)
    bot = client.with_auth(client.auth.as_installation(installation.id))
    said = bot.rest.issues.create_comment("acme", "infra", pull, body="Planned.")
    assert said.parsed_data.user is not None
    assert said.parsed_data.user.login == "plangate[bot]"
    shown = bot.rest.pulls.get("acme", "infra", pull).parsed_data
    assert shown.head.ref == "add-db"
    sha = shown.head.sha
    bot.rest.repos.create_commit_status("acme", "infra", sha, state="success", context="plangate/plan")
    assert bot.rest.repos.get_combined_status_for_ref("acme", "infra", sha).parsed_data.state == "success"
    pages: Iterable[Any] = bot.rest.paginate(
        bot.rest.pulls.list_files, owner="acme", repo="infra", pull_number=pull, per_page=1
    )
    files = [file.filename for file in pages]
    assert files == ["db/main.tf", "net/main.tf"]
