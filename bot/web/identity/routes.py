"""What clouds fetch to verify the identity tokens of runs: the issuer's document and its key set.

Source: OpenID Connect Discovery 1.0, and RFC 7517. Both are public; neither says anything of a run.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from bot.web.request.services import services

MAX_AGE = 300
"""For how many seconds others may keep a copy; the next key is served a day before it signs."""

blueprint = Blueprint("identity", __name__)

_CLAIMS = (
    *("iss", "sub", "aud", "iat", "nbf", "exp", "jti", "plangate_organization", "plangate_workspace"),
    *("plangate_workspace_id", "plangate_run_phase", "plangate_run_id", "plangate_forge"),
    *("plangate_repository", "plangate_commit", "plangate_branch", "plangate_change", "plangate_preview"),
    "plangate_actor",
)


@blueprint.get("/.well-known/openid-configuration")
def discovery() -> Response:
    """Say who the issuer is and where its keys are."""
    issuer = services().addresses.public
    return _public(
        {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
            "claims_supported": list(_CLAIMS),
        }
    )


@blueprint.get("/.well-known/jwks.json")
def key_set() -> Response:
    """Give the public keys."""
    return _public({"keys": list(services().issuer_keys.published())})


def _public(document: dict[str, object]) -> Response:
    answer = jsonify(document)
    answer.cache_control.public = True
    answer.cache_control.max_age = MAX_AGE
    return answer
