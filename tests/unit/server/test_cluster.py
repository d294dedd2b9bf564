"""Proves how the settings of a cluster are applied to its servers. Skipped without `styletalk-live[ray]`."""

import socket

import pytest

from styletalk_core.errors import InputError

pytest.importorskip("ray", reason="Ray is not installed")

from server.cluster import Cluster

pytestmark = pytest.mark.filterwarnings("ignore")


def test_settings_are_sorted_and_their_texts_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLETALK_SERVE_API_KEY", "secret")
    given = {"most": "7", "gpus": "0.5", "host": "0.0.0.0", "max_sessions": "3", "front": "https://avatar.example/x"}
    cluster = Cluster.of(given | {"allow_origins": "https://shop.example"})
    assert (cluster.most, cluster.gpus, cluster.config.max_sessions) == (7, 0.5, 3)
    assert cluster.config.api_key == "secret"
    assert cluster.config.weights == "default", "the same on every machine"
    assert Cluster.of(given | {"weights": "free"}).config.weights == "free"
    assert cluster.config.origins() == ("https://shop.example", "https://avatar.example")


@pytest.mark.parametrize(("args", "named"), [({"bogus": 1}, "bogus"), ({"most": "many"}, "many"), ({"port": -1}, "-1")])
def test_impossible_settings_are_refused(args: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Cluster.of(args)


def test_servers_of_one_machine_share_no_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cluster = Cluster.of({"port": port, "udp_ports": "50000-50999", "udp_ports_each": 10})
        config, listener = cluster.on_this_machine()
        with listener:
            assert listener.getsockname()[1] == config.port > port
            place = config.port - port
            assert config.udp_ports == f"{50_000 + 10 * place}-{50_009 + 10 * place}"
