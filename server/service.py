"""What the routes share: configuration, worker, catalogue and visitors.

Runs on: event loop.
"""

from dataclasses import dataclass, field

import ifaddr

from server.access import Access
from server.calls import Visitors
from server.catalogue import Catalogue
from server.config import ServerConfig
from server.negotiation import MediaPath
from streaming.latency import LatencyPlan
from streaming.session import Settings
from streaming.worker import BatchWorker

RETRY_AFTER_SECONDS = 5


@dataclass(slots=True)
class Service:
    """One server."""

    config: ServerConfig
    worker: BatchWorker
    catalogue: Catalogue
    visitors: Visitors = field(default_factory=Visitors)
    access: Access = field(init=False)
    draining: bool = False
    """True once the server takes no more calls because it is about to stop."""

    def __post_init__(self) -> None:
        self.access = Access(self.config.api_key)

    def plan(self) -> LatencyPlan:
        """Where the delay of a call that starts now goes."""
        return LatencyPlan(self.worker.recognizer_delay, self.config.future_frames)

    def first_settings(self) -> Settings:
        """What a new visitor starts with."""
        config = self.config
        avatar = config.avatar or next((entry.name for entry in self.catalogue.avatars()), "")
        style = config.style or next((entry.name for entry in self.catalogue.styles()), "")
        return Settings(avatar, style)

    def media_path(self) -> MediaPath:
        """Where media sockets are opened.

        A browser on this machine may be unable to leave from 127.0.0.1 or to arrive at it, so a loopback server
        offers its other addresses too; media flows only after a DTLS handshake with the caller of this call.
        """
        found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
        others = [address for address in found if not address.startswith("127.")]
        addresses = ["127.0.0.1", *others] if self.config.loopback else others
        return MediaPath(addresses, self.config.udp_range())
