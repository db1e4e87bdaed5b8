"""Secrets that people and programs hold, of which the database keeps the hash alone."""

from __future__ import annotations

import hashlib
import secrets

__all__ = ["digest", "new_secret"]


def new_secret() -> str:
    """Return 256 random bits as text that fits into a URL and a cookie."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return the hash that stands for a secret: 256 random bits need no salt."""
    return hashlib.sha256(secret.encode()).digest()
