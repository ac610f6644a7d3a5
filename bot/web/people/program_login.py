"""`terraform login` in the browser: a person lets the program in, and the program exchanges its code.

Errors in a request are shown here. Nothing is sent to an address that is not the program's (no open
redirects).
"""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import Conflict
from bot.domain.people.origins import Origin, Via
from bot.domain.people.program_login import LoginRequest, checked_request
from bot.services.people.program_login import TOKEN_LASTS, CodeExchange, RefusedCode
from bot.web.page import elements
from bot.web.page.output import harmless
from bot.web.people.token_context import LoginPage
from bot.web.request import access
from bot.web.request.services import services

blueprint = Blueprint("program_login", __name__)


@blueprint.get("/oauth/authorize")
def show() -> AnyResponse:
    """Ask the person whether the program may have a token."""
    wanted = _wanted()
    account = access.asker().account
    page = LoginPage(
        chrome=elements.chrome("Log in the Terraform CLI", access.person_asking(), ""),
        whose=harmless(str(account)),
        listens=wanted.redirect_uri.removeprefix("http://").removesuffix("/login"),
        days=TOKEN_LASTS.days,
        allow_url=f"{url_for('.decide')}?{urlencode(request.args.to_dict())}",
    )
    answer = make_response(render_template("program_login.html", page=page))
    # Browsers apply `form-action` to where a form's answer leads, too.
    program = wanted.redirect_uri.removesuffix("/login")
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        f"form-action 'self' {program}; base-uri 'none'; frame-ancestors 'none'"
    )
    return answer


@blueprint.post("/oauth/authorize")
def decide() -> AnyResponse:
    """Send the browser back to the program: with a code, or with the person's no."""
    wanted = _wanted()
    found = {"error": "access_denied"}
    if request.form.get("answer") == "allow":
        scope = request.form.get("scope", "")
        found = {"code": services().program_login.allow(access.asker().account, wanted, scope)}
    return redirect(f"{wanted.redirect_uri}?{urlencode({**found, 'state': wanted.state})}", 303)


@blueprint.post("/oauth/token")
def exchange() -> Response:
    """Give the program its token. The code and the verifier prove who it is: no cookie counts here."""
    form = request.form
    if form.get("grant_type") != "authorization_code":
        return _refused("unsupported_grant_type", "grant_type must be authorization_code")
    names = ("code", "client_id", "redirect_uri", "code_verifier")
    if any(len(form.getlist(name)) != 1 for name in names):
        return _refused("invalid_request", f"send {', '.join(names)}, once each")
    sent = CodeExchange(*(form[name] for name in names))
    origin = Origin(Via.PAGE, address=request.remote_addr or "")
    try:
        secret = services().program_login.exchange(sent, origin)
    except RefusedCode as error:
        return _refused("invalid_grant", str(error))
    except Conflict as error:
        return _refused("access_denied", str(error))
    lasts = int(TOKEN_LASTS.total_seconds())
    return jsonify(access_token=secret, token_type="bearer", expires_in=lasts)  # noqa: S106  # a type


def _wanted() -> LoginRequest:
    """Return what the program asks for, by the address. Raises Invalid."""
    args = {name: values[0] for name, values in request.args.lists() if len(values) == 1}
    return checked_request(
        client=args.get("client_id", ""),
        response_type=args.get("response_type", ""),
        redirect_uri=args.get("redirect_uri", ""),
        challenge=args.get("code_challenge", ""),
        method=args.get("code_challenge_method", ""),
        state=args.get("state", ""),
    )


def _refused(error: str, why: str) -> Response:
    said = jsonify(error=error, error_description=why)
    said.status_code = 400
    return said
