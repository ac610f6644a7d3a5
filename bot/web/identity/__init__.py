"""Plangate as an OpenID Connect issuer: what relying parties fetch."""
