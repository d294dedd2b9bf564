"""Cluster of servers behind one gateway, on Ray Serve: `serve run server.cluster:application`.

A session is one Ray Serve request that lasts as long as the session. Ray therefore places it on a replica with a free
slot, scales by the number of sessions, and waits for them before it removes a replica. The request carries only the
session's address and settings; the client connects directly to the replica, which is a complete server with its own
port.

Runs on: the event loops of Ray Serve's replicas.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, cast
from urllib.parse import urlsplit

from ray import serve
from ray.exceptions import RayError
from ray.util import get_node_ip_address
from starlette.applications import Starlette
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server import logs
from server.app import build_app, create_app
from server.bootstrap import listen, make_service
from server.config import ServerConfig, checked, from_environment
from server.gateway import ClientSettings, Gateway, Placement, ServerLost, SessionLease
from server.gateway import routes as gateway_routes
from server.http.draining import DrainingServer, http_options
from server.priority import raise_priority
from server.service import Service
from server.sessions.clients import Client
from styletalk_core.errors import InputError
from styletalk_core.weights import chosen

ARRIVAL_SECONDS = 15.0
"""Seconds after which a client that has not connected to its server is given up."""
LOOK_SECONDS = 0.25
MAX_SERVERS_PER_NODE = 64
BUSY_SHARE = 0.7
"""Share of the slots in use at which another server is started."""
SERVERS = "servers"
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Settings of a cluster, in addition to those of its servers.

    Attributes:
        config: of each server; ``port`` and ``udp_ports`` are those of the first server on a machine.
        front: public address of the gateway, such as https://avatar.example/.
        node: address of a server, with {ip} and {port} of its machine.
        least, most: number of servers at the same time.
        udp_ports_each: number of UDP ports of a server.
        cpus, gpus: resources that Ray reserves for a server.
        grow_seconds, shrink_seconds: delay before servers are added or removed.
    """

    config: ServerConfig
    front: str = "http://127.0.0.1:8000/"
    node: str = "http://{ip}:{port}/"
    least: int = 1
    most: int = 4
    udp_ports_each: int = 32
    cpus: float = 2.0
    gpus: float = 0.0
    grow_seconds: float = 5.0
    shrink_seconds: float = 300.0

    @classmethod
    def of(cls, args: dict[str, Any]) -> "Cluster":
        """Splits arguments into those of the cluster and those of its servers.

        Raises:
            InputError: one of them is unknown or invalid.
        """
        own: dict[str, Any] = {f.name: type(f.default) for f in fields(cls) if f.name != "config"}
        given = checked({key: value for key, value in args.items() if key not in own}, "of the application")
        config = ServerConfig(**({"max_sessions": 1} | from_environment() | given))
        try:
            cluster = cls(config, **{key: own[key](value) for key, value in args.items() if key in own})
        except ValueError as error:
            raise InputError(f"A setting of the cluster is not a number: {error}.") from error
        front = "{0.scheme}://{0.netloc}".format(urlsplit(cluster.front))
        origins = ",".join(dict.fromkeys([*cluster.config.origins(), front]))
        # Chosen once, because the machines of a cluster may have other environments.
        weights = cluster.config.weights or chosen()
        return replace(cluster, config=replace(cluster.config, allow_origins=origins, weights=weights))

    def on_this_machine(self) -> tuple[ServerConfig, socket.socket]:
        """Return the configuration of a further server on this machine, and its listening socket.

        The free TCP port determines the range of UDP ports.

        Raises:
            InputError: no port is free.
        """
        ports = self.config.udp_range()
        for place in range(MAX_SERVERS_PER_NODE):
            config = replace(self.config, port=self.config.port + place)
            if ports is not None:
                first = ports[0] + place * self.udp_ports_each
                config = replace(config, udp_ports=f"{first}-{first + self.udp_ports_each - 1}")
            try:
                return config, listen(config)
            except InputError:
                continue
        raise InputError(f"None of {MAX_SERVERS_PER_NODE} ports from {self.config.port} on is free.")


class Servers:
    """One replica: a complete server with the sessions that Ray sends to it."""

    async def __init__(self, cluster: Cluster, make: Callable[[ServerConfig], Service]) -> None:  # type: ignore[misc]
        config, listener = cluster.on_this_machine()
        logs.configure(config.log_format, config.secrets)
        raise_priority()
        self._service = make(config)
        self._drain_seconds = config.drain_time
        address = config.host if config.loopback else get_node_ip_address()
        self._url = cluster.node.format(ip=address, port=listener.getsockname()[1])
        self._server = DrainingServer(http_options(config, create_app(self._service)), self._service)
        self._serving = asyncio.create_task(self._server._serve([listener]), name="http server")
        await self._service.worker.wait_ready()

    async def acquire(self, session: str | None, client_settings: ClientSettings | None) -> SessionLease:
        """Holds a session; yields its address, then its settings whenever they change."""
        clients = self._service.clients
        chosen = client_settings or ClientSettings(self._service.first_settings(), 0.5)
        client = clients.preregister(session or secrets.token_urlsafe(12), chosen.settings, chosen.fade_s)
        yield Placement(client.id, self._url)
        told = None
        async for present in _while_present(client):
            if present != told:
                told = present
                yield present

    def check_health(self) -> None:
        """Health check, called by Ray.

        Raises:
            RuntimeError: the server has stopped.
        """
        if self._serving.done():
            raise RuntimeError("the HTTP server has stopped")

    async def __del__(self) -> None:
        """Shutdown, called by Ray once it holds no session here; a session that the gateway has lost may still run."""
        await self._service.drain(self._drain_seconds)
        self._server.should_exit = True
        await self._serving


async def _while_present(client: Client) -> AsyncIterator[ClientSettings]:
    """Yield the client's settings until it disconnects."""
    loop = asyncio.get_running_loop()
    last_seen = loop.time()
    while loop.time() - last_seen < ARRIVAL_SECONDS:
        if client.present:
            last_seen = loop.time()
        viewers = 0 if client.session is None else len(client.session.viewers.by_id)
        yield ClientSettings(client.settings, client.fade_s, client.presents_as, viewers)
        await asyncio.sleep(LOOK_SECONDS)


def _front_app(cluster: Cluster, make: Callable[[ServerConfig], Service]) -> ASGIApp:
    """The ingress: the page, the lists and the redirects to the servers."""
    service = make(cluster.config)
    servers = serve.get_deployment_handle(SERVERS, app_name=serve.get_replica_context().app_name)

    async def acquire(session: str | None, client_settings: ClientSettings | None) -> SessionLease:
        lease = servers.options(stream=True).acquire.remote(session, client_settings)
        try:
            async for told in lease:
                yield told
        except RayError as error:
            raise ServerLost from error
        finally:
            lease.cancel()

    gateway = Gateway(acquire)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.aclose()

    schemes = ("https:", "wss:") if cluster.node.startswith("https") else ("http:", "ws:")
    app: Any = build_app(service, gateway_routes(gateway, service.access), lifespan, media=schemes)
    proxied: Any = ProxyHeadersMiddleware(app, cluster.config.trusted_proxies)  # the libraries type ASGI differently
    return cast(ASGIApp, proxied)


def build(cluster: Cluster, make: Callable[[ServerConfig], Service] = make_service) -> Any:
    """Return the application for `serve.run`."""
    servers = serve.deployment(
        Servers,
        name=SERVERS,
        ray_actor_options={"num_cpus": cluster.cpus, "num_gpus": cluster.gpus},
        max_ongoing_requests=cluster.config.max_sessions,
        autoscaling_config={
            "min_replicas": cluster.least,
            "max_replicas": cluster.most,
            "target_ongoing_requests": max(1, round(BUSY_SHARE * cluster.config.max_sessions)),
            "upscale_delay_s": cluster.grow_seconds,
            "downscale_delay_s": cluster.shrink_seconds,
            "metrics_interval_s": 1,
            "look_back_period_s": min(5, cluster.grow_seconds),
        },
        graceful_shutdown_timeout_s=max(1.0, cluster.config.drain_time),
    )

    def front_app() -> ASGIApp:
        return _front_app(cluster, make)

    front = serve.deployment(
        serve.ingress(front_app)(), name=GATEWAY, ray_actor_options={"num_cpus": 0.5}, max_ongoing_requests=1000
    )
    return front.bind(servers.bind(cluster, make))


def application(args: dict[str, Any]) -> Any:
    """Return the application; called by Ray Serve with the arguments of its command line or configuration.

    Raises:
        InputError: one of them is unknown or invalid.
    """
    return build(Cluster.of(args))
