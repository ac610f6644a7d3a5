"""Signatures of HashiCorp's webhooks: HMAC with SHA-512 over the body, in hexadecimal.

Source: https://developer.hashicorp.com/terraform/enterprise/api-docs/notification-configurations
"""

from __future__ import annotations

import hashlib
import hmac


def signature(key: str, body: bytes) -> str:
    """Return the signature of a body."""
    return hmac.new(key.encode(), body, hashlib.sha512).hexdigest()
