"""Two servers without models behind a front desk, on a cluster of Ray's own test utilities."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from browser.server_process import free_port
from modelless import make_service

TESTS = Path(__file__).parent


@contextmanager
def two_servers(places: int) -> Iterator[str]:
    """Yields the address of the front desk."""
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster as RayCluster

    from server.cluster import Cluster, build

    paths = os.pathsep.join(map(str, (TESTS.parent, TESTS)))
    cluster = RayCluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    shared = Cluster.of(
        {"port": free_port(), "udp_ports": "47100-47163", "max_sessions": places, "size": 256, "front": address}
        | {"least": 2, "most": 2, "udp_ports_each": 32, "cpus": 0.5}
    )
    try:
        ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": paths}}, log_to_driver=False)
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(build(shared, make_service))
        yield address
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()


def process_at(address: str) -> int:
    """The process that listens at an address."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {fields[1].partition(":")[2]: fields[9] for fields in sockets if fields[3] == "0A"}
    inode = listening[f"{urlsplit(address).port:04X}"]
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) == f"socket:[{inode}]":
                return int(link.parts[2])
    raise AssertionError(f"nothing listens at {address}")
