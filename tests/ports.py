"""Ports for servers that take a number, where no socket can be bound in advance.

They lie below those that systems give to sockets without a number, so that no client takes one meanwhile, and each
process of the test run begins elsewhere.
"""

import itertools
import os
import socket
from collections.abc import Iterator

FIRST = 20_000
PROCESSES = 150
PER_PROCESS = 64
_turn: Iterator[int] = itertools.cycle(range(PER_PROCESS))


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that is free on every address of this machine."""
    first = FIRST + os.getpid() % PROCESSES * PER_PROCESS
    for _ in range(PER_PROCESS):
        port = first + next(_turn)
        with socket.socket(type=kind) as candidate:
            try:
                candidate.bind(("", port))
            except OSError:
                continue
        return port
    raise OSError(f"no port from {first} to {first + PER_PROCESS - 1} is free")


def free_udp_ports(count: int) -> range:
    """So many free UDP ports in a row."""
    ports = [free_port(socket.SOCK_DGRAM)]
    while len(ports) < count:
        port = free_port(socket.SOCK_DGRAM)
        ports = [*ports, port] if port == ports[-1] + 1 else [port]
    return range(ports[0], ports[-1] + 1)
