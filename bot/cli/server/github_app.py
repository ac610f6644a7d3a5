"""`plangate github-app`: registers a GitHub App in two clicks, create and install, and keeps its secrets."""

from __future__ import annotations

import json
import secrets
import webbrowser
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import click

from bot.domain.errors import PlangateError
from bot.forges.github.app_manifest import NewApp, exchange, manifest
from bot.forges.github.kind import api_address

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Plangate on GitHub</title>
<style>body{{font:16px/1.6 system-ui;max-width:38rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}}
button,a.button{{font:inherit;font-weight:600;padding:.6rem 1.2rem;border:0;border-radius:.4rem;
background:#1f883d;color:#fff;text-decoration:none;cursor:pointer}}</style><h1>{title}</h1>{body}</html>"""


@dataclass(frozen=True)
class AppRequest:
    """The App to register, and the folder for its secrets."""

    url: str
    name: str
    organization: str
    github: str
    folder: Path
    automerge: bool = False
    teams: bool = False


class Registrar:
    """A page on the loopback address that sends a manifest to GitHub, and takes what comes back."""

    def __init__(self, wish: AppRequest, port: int = 0) -> None:
        self._wish = wish
        self._state = secrets.token_urlsafe(24)
        self.app: NewApp | None = None
        self.trouble = ""
        registrar = self

        class Handler(BaseHTTPRequestHandler):
            """One click each."""

            def do_GET(self) -> None:
                """Answer the page, and the way back from GitHub."""
                status, page = registrar.answer(self.path)
                body = page.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: the address contains GitHub's code."""

        self._server = HTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def wait(self) -> NewApp:
        """Serve until GitHub has answered. Raises PlangateError if it refused."""
        with self._server:
            while self.app is None and not self.trouble:
                self._server.handle_request()
        if self.app is None:
            raise PlangateError(self.trouble)
        return self.app

    def answer(self, path: str) -> tuple[int, str]:
        """Return status and page for a path."""
        parts = urlsplit(path)
        if parts.path == "/":
            return 200, _page("Plangate on GitHub", self._form())
        if parts.path != "/created":
            return 404, _page("There is nothing here", "")
        query = parse_qs(parts.query)
        if not secrets.compare_digest(query.get("state", [""])[0].encode(), self._state.encode()):
            return 400, _page("This request does not come from your click", "<p>Begin again.</p>")
        try:
            self.app = exchange(query.get("code", [""])[0], api_address(self._wish.github))
        except PlangateError as error:
            self.trouble = f"GitHub did not register the App: {error}"
            return 502, _page("GitHub did not register the App", f"<p>{escape(str(error))}</p>")
        install = escape(f"{self.app.html_url}/installations/new", quote=True)
        words = f"<p>{escape(self.app.slug)} is registered. Its secrets are in the terminal's folder.</p>"
        return 200, _page("Now install it", f'{words}<p><a class="button" href="{install}">Install</a></p>')

    def _form(self) -> str:
        wish = self._wish
        back = f"{self.url}/created"
        wanted = manifest(wish.url, wish.name, redirect_url=back, merges=wish.automerge, teams=wish.teams)
        where = f"/organizations/{quote(wish.organization)}" if wish.organization else ""
        action = escape(f"{wish.github}{where}/settings/apps/new?state={self._state}", quote=True)
        value = escape(json.dumps(wanted), quote=True)
        return (
            f"<p>GitHub will ask whether to create <b>{escape(wish.name)}</b>, whose webhook goes to "
            f"{escape(wish.url)}.</p><form method=post action='{action}'>"
            f'<input type=hidden name=manifest value="{value}"><button>Create it on GitHub</button></form>'
        )


def keep(app: NewApp, folder: Path) -> Path:
    """Write the App's key and settings, readable only by their owner; return the file of settings."""
    folder.mkdir(parents=True, exist_ok=True)
    key, settings = folder / f"{app.slug}.pem", folder / f"{app.slug}.env"
    for path, content in (
        (key, app.private_key),
        (
            settings,
            f"PLANGATE_GITHUB_APP_ID={app.app_id}\n"
            f"PLANGATE_GITHUB_APP_PRIVATE_KEY_FILE={key.absolute()}\n"
            f"PLANGATE_GITHUB_WEBHOOK_SECRET={app.webhook_secret}\n"
            f"PLANGATE_GITHUB_CLIENT_ID={app.client_id}\n"
            f"PLANGATE_GITHUB_CLIENT_SECRET={app.client_secret}\n",
        ),
    ):
        path.touch(mode=0o600)
        path.write_text(content)
    return settings


def _page(title: str, body: str) -> str:
    return _PAGE.format(title=escape(title), body=body)


@click.command("github-app")
@click.option("--url", required=True, help="Address of your Plangate, such as https://plangate.example.com.")
@click.option("--name", default="Plangate", show_default=True, help="Name of the App, unique on GitHub.")
@click.option("--organization", default="", help="Organization that owns it. Without it: your own account.")
@click.option("--github", default="https://github.com", show_default=True, help="Your GitHub's address.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Where secrets go."
)
@click.option("--port", default=0, help="Port of the page on this machine. 0: any free port.")
@click.option(
    "--automerge", is_flag=True, help="Also request the permission for `automerge`: Contents: write."
)
@click.option("--teams", is_flag=True, help="Also request the permission for teams as owners: Members: read.")
def github_app(
    url: str,
    name: str,
    organization: str,
    github: str,
    folder: Path,
    port: int,
    automerge: bool,
    teams: bool,
) -> None:
    """Register a GitHub App in two clicks; save its secrets in files."""
    wish = AppRequest(url.rstrip("/"), name, organization, github.rstrip("/"), folder, automerge, teams)
    registrar = Registrar(wish, port)
    click.echo(f"Open {registrar.url} and click twice: create, install.")
    webbrowser.open(registrar.url)
    app = registrar.wait()
    click.echo(f"{app.slug} is registered. Its settings are in {keep(app, folder)}:")
    click.echo("start `plangate web` and `plangate worker` with them in the environment.")
