"""Who may do what: the API key, and short-lived tokens that its holder hands out.

A token is ``scope.expiry.nonce.signature``, signed with a key derived from the API key: every server that has the API
key knows the tokens of the others, and none has to remember them. Pure but for the clock given.
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
"""How long a page that was opened with the key goes on working."""
MAX_TOKEN_SECONDS = 3600
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessScope(enum.Enum):
    """What a client may do."""

    FULL = "full"
    """Everything, as the key itself."""
    TALK = "talk"
    """Hold a session and watch presenters; change nothing that outlives it, read no figures or recordings list."""

    def allows(self, method: str, path: str) -> bool:
        """Whether a request is within the scope."""
        if self is AccessScope.FULL:
            return True
        if path in ("/metrics", "/api/recordings"):
            return False
        return method in READING or path.startswith(("/whip", "/whep"))


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the seconds it is good for."""

    text: str
    seconds: int


class Access:
    """Knows the key and the tokens made of it."""

    def __init__(self, api_key: str, now: Callable[[], float] = unix_seconds) -> None:
        self._key = api_key.encode()
        self._signing_key = hmac.digest(self._key, b"StyleTalk Live session token", hashlib.sha256)
        self._now = now

    @property
    def open(self) -> bool:
        """True where no key is needed."""
        return not self._key

    def token(self, scope: AccessScope, seconds: int) -> Token:
        """A new token, good for ``seconds`` from now."""
        claim = f"{scope.value}.{int(self._now()) + seconds}.{secrets.token_urlsafe(9)}"
        return Token(f"{claim}.{self._signature(claim)}", seconds)

    def scope(self, given: str) -> AccessScope | None:
        """What the bearer of a key or token may do; None for one that is neither, or expired."""
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
