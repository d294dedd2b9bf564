"""ICE servers for clients, with credentials that expire: the REST convention of TURN servers (coturn's
``use-auth-secret``; draft-uberti-behave-turn-rest).

The user name is the time of expiry and a label, the password its HMAC-SHA1 with the secret shared with the TURN server,
so that neither side stores anything. Pure.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from server.config import ServerConfig

CREDENTIAL_SECONDS = 3600
"""A relayed call continues when its credential expires; only a new allocation needs a new one."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """An ``RTCIceServer`` of the browser."""

    urls: Sequence[str]
    username: str
    credential: str


def ice_servers(config: ServerConfig, label: str, now: float) -> list[IceServer]:
    """Return ``iceServers`` for an RTCPeerConnection; empty when no TURN server is configured.

    Args:
        label: owner of the credential in the TURN server's log, such as the session id.
        now: seconds since 1970.
    """
    if not config.turn_urls:
        return []
    username = f"{int(now) + CREDENTIAL_SECONDS}:{label}"
    digest = hmac.digest(config.turn_secret.encode(), username.encode(), hashlib.sha1)
    urls = [url.strip() for url in config.turn_urls.split(",")]
    return [IceServer(urls, username, base64.b64encode(digest).decode())]


def link_headers(servers: Sequence[IceServer]) -> str:
    """Return the same as a Link header of the SDP answer (RFC 9725, section 4.6); empty without servers."""
    return ", ".join(
        f'<{url}>; rel="ice-server"; username="{server.username}"; credential="{server.credential}"; '
        'credential-type="password"'
        for server in servers
        for url in server.urls
    )
