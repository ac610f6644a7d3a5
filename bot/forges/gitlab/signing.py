"""Verifies that GitLab sent a delivery: by the secret token in plain text, or by a signature.

Sources: https://docs.gitlab.com/user/project/integrations/webhooks/ and the Standard Webhooks specification.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence

TOKEN_HEADER = "x-gitlab-token"  # noqa: S105  a header's name
ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
SIGNING_PREFIX = "whsec_"
# How far a signed delivery's time may be from ours, in seconds: an old one that was overheard opens no door.
TOLERANCE = 300.0
_VERSION = "v1,"


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Return whether one of our secrets matches the delivery; `now` is in seconds since 1970.

    Secrets that begin with `whsec_` are signing tokens, all others secret tokens. Where a signature comes it
    decides, and the token is ignored: removing or breaking the signature must not weaken the check.
    Takes the same time whichever secret fits. A malformed header is only one that does not fit.
    """
    if any(name in headers for name in (SIGNATURE_HEADER, TIMESTAMP_HEADER)):
        return _signed(secrets, headers, body, now)
    given, fits = headers.get(TOKEN_HEADER, "").encode("utf-8", "replace"), False
    for secret in secrets:
        # An empty secret would let everybody in who sends none.
        if secret and not secret.startswith(SIGNING_PREFIX):
            fits |= hmac.compare_digest(secret.encode(), given)
    return fits


def _signed(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    delivery, moment = headers.get(ID_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    if not delivery or not (moment.isascii() and moment.isdigit() and len(moment) <= 12):
        return False
    if abs(int(moment) - now) > TOLERANCE:
        return False
    message = f"{delivery}.{moment}.".encode("utf-8", "replace") + body
    # Several signatures stand there while a signing token is being replaced.
    given = [
        part.removeprefix(_VERSION).encode("utf-8", "replace")
        for part in headers.get(SIGNATURE_HEADER, "").split()
        if part.startswith(_VERSION)
    ]
    fits = False
    for key in _keys(secrets):
        expected = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest())
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    return fits


def _keys(secrets: Sequence[str]) -> Iterator[bytes]:
    for secret in secrets:
        if secret.startswith(SIGNING_PREFIX):
            try:
                key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX), validate=True)
            except (ValueError, binascii.Error):
                continue
            if key:
                yield key
