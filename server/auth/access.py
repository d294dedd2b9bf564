"""Access control: the API key and short-lived tokens derived from it.

A token is ``scope.expiry.nonce.signature``, signed with a key derived from the API key: servers with the same API key
accept each other's tokens, and none stores them. Pure except for the given clock.
"""

import base64
import enum
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from streaming.clock import unix_seconds

PAGE_SECONDS = 12 * 3600
"""Seconds that a page opened with the key keeps working."""
MAX_TOKEN_SECONDS = 3600
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessScope(enum.Enum):
    """Permissions of a client."""

    FULL = "full"
    """All permissions, like the key itself."""
    TALK = "talk"
    """Hold a session and watch presenters; no lasting changes, no metrics, no list of recordings."""

    def allows(self, method: str, path: str) -> bool:
        """True when a request is within the scope."""
        if self is AccessScope.FULL:
            return True
        if path in ("/metrics", "/api/recordings"):
            return False
        return method in READING or path.startswith(("/whip", "/whep"))


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its lifetime in seconds."""

    text: str
    seconds: int


class Access:
    """Checks the API key and issues and checks tokens."""

    def __init__(self, api_key: str, now: Callable[[], float] = unix_seconds) -> None:
        self._key = api_key.encode()
        self._signing_key = hmac.digest(self._key, b"StyleTalk Live session token", hashlib.sha256)
        self._now = now

    @property
    def open(self) -> bool:
        """True when no key is required."""
        return not self._key

    def token(self, scope: AccessScope, seconds: int) -> Token:
        """Return a new token, valid for ``seconds`` from now."""
        claim = f"{scope.value}.{int(self._now()) + seconds}.{secrets.token_urlsafe(9)}"
        return Token(f"{claim}.{self._signature(claim)}", seconds)

    def scope(self, given: str) -> AccessScope | None:
        """Return the scope of a key or token; None when it is invalid or expired."""
        if self.open or hmac.compare_digest(given.encode(), self._key):
            return AccessScope.FULL
        claim, _, signature = given.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(claim).encode()):
            return None
        scope, expiry, _ = claim.split(".")
        return AccessScope(scope) if self._now() < int(expiry) else None

    def _signature(self, claim: str) -> str:
        digest = hmac.digest(self._signing_key, claim.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
