"""Proves the precedence of settings, and that every invalid one is rejected with a sentence that names it."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from server.config import ServerConfig, load
from styletalk_core.errors import InputError


def args(**given: Any) -> Namespace:
    return Namespace(**({"config": None, "api_key_file": None} | given))


def test_the_command_line_beats_the_environment_and_the_environment_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('port = 1\nmax_sessions = 3\nstyle = "calm"\nweights = "default"\n')
    environment = {
        "STYLETALK_SERVE_WEIGHTS": "free",
        "STYLETALK_SERVE_PORT": "2",
        "STYLETALK_SERVE_MAX_SESSIONS": "4",
        "HOME": "/",
    }
    config = load(args(config=str(path), port=5, host=None), environment)
    assert (config.port, config.max_sessions, config.style, config.host) == (5, 4, "calm", "127.0.0.1")
    assert config.weights == "free"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "prot"),
        ("port = 'many'", "port"),
        ("port = ", "TOML"),
        ("port = 70000", "70000"),
        ("size = 300", "300"),
        ("weights = 'paid'", "The weights are default or free, not 'paid'"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=named):
        load(args(config=str(path)), {})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load(args(config=str(tmp_path / "nothing.toml")), {})


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("::1", True)])
def test_loopback_needs_no_key(host: str, loopback: bool) -> None:
    assert ServerConfig(host=host).loopback is loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_every_other_host_needs_one(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--api-key"):
        ServerConfig(host=host)
    key = tmp_path / "key"
    key.write_text("secret\n")
    assert load(args(host=host, api_key_file=str(key)), {}).api_key == "secret"


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("\n")
    with pytest.raises(InputError, match="empty"):
        load(args(api_key_file=str(key)), {})


def test_udp_ports_are_a_range() -> None:
    assert ServerConfig(udp_ports="50000-50002").udp_range() == range(50_000, 50_003)
    assert ServerConfig().udp_range() is None
    for wrong in ("50000", "2-1", "a-b", "80-90", "60000-70000"):
        with pytest.raises(InputError, match="udp-ports"):
            ServerConfig(udp_ports=wrong)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"max_sessions": -1}, "max_sessions must not be negative"),
        ({"future_frames": 6}, "future_frames must be 0 to 5"),
        ({"tls_key": "key.pem"}, "--tls-certificate and --tls-key"),
        ({"turn_urls": "turn:a:3478"}, "turn_urls and turn_secret"),
        ({"log_format": "xml"}, "text or json"),
        ({"public_address": "example.org"}, "IP address"),
        ({"allow_origins": "https://good.example, evil.example/x"}, "evil.example/x"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        ServerConfig(**setting)


def test_a_machine_of_ones_own_has_no_limits_and_a_public_one_has() -> None:
    own, public = ServerConfig(), ServerConfig(host="0.0.0.0", api_key="k")
    assert (own.session_seconds, own.max_per_address, own.drain_time) == (math.inf, math.inf, 0)
    assert (public.session_seconds, public.max_per_address, public.drain_time) == (7200, 4, 60)
    chosen = ServerConfig(session_minutes=1, sessions_per_address=2, drain_seconds=3)
    assert (chosen.session_seconds, chosen.max_per_address, chosen.drain_time) == (60, 2, 3)


def test_origins_are_a_list_and_secrets_are_known() -> None:
    config = ServerConfig(api_key="k", allow_origins=" https://a.example,http://b.example:81 ,")
    assert config.origins() == ("https://a.example", "http://b.example:81")
    assert "k" in config.secrets and "api_key" not in repr(config)


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing"):
        load(args(api_key_file=str(tmp_path / "nothing")), {})
