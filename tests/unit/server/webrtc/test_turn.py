"""Proves TURN credentials against the scheme that coturn implements."""

import base64
import hashlib
import hmac

from server.config import ServerConfig
from server.webrtc.turn import CREDENTIAL_SECONDS, ice_servers, link_headers

URLS = "turn:turn.example:3478?transport=udp,turns:turn.example:5349"


def test_the_user_name_is_the_expiry_and_the_password_its_hmac_under_the_shared_secret() -> None:
    (server,) = ice_servers(ServerConfig(turn_urls=URLS, turn_secret="north"), "session-1", now=1000.7)
    assert server.urls == ["turn:turn.example:3478?transport=udp", "turns:turn.example:5349"]
    assert server.username == f"{1000 + CREDENTIAL_SECONDS}:session-1"
    expected = hmac.new(b"north", server.username.encode(), hashlib.sha1).digest()
    assert base64.b64decode(server.credential) == expected


def test_without_a_relay_there_is_nothing_to_tell() -> None:
    assert ice_servers(ServerConfig(), "x", 0) == []
    assert link_headers([]) == ""


def test_an_answer_names_every_address_in_its_link_header() -> None:
    servers = ice_servers(ServerConfig(turn_urls=URLS, turn_secret="north"), "s", now=0)
    links = link_headers(servers).split(", ")
    assert links[1].startswith('<turns:turn.example:5349>; rel="ice-server"; username="3600:s"; credential="')
    assert all(link.endswith('credential-type="password"') for link in links)
