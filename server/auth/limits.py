"""Limits on body sizes and request rates.

Pure except for `read_body`, which runs on the event loop.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request

from streaming.clock import monotonic

ADDRESSES_REMEMBERED = 4096
IPV6_SITE = 64
"""Prefix length of the IPv6 network of one customer."""


class BodyTooLarge(Exception):
    """The request body exceeds its limit."""


async def read_body(request: Request, limit: int) -> bytes:
    """Reads a request body of at most ``limit`` bytes.

    Raises:
        BodyTooLarge: the body is longer; the rest is not read.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


class Allowance:
    """Token bucket: refills at ``rate`` per second, up to ``burst``."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._left = burst
        self._at = now()

    def take(self, cost: float = 1.0) -> float:
        """Spends ``cost``, on credit if necessary.

        Returns:
            Seconds until the debt is repaid; 0 without debt.
        """
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - cost
        self._at = now
        return max(0.0, -self._left / self._rate)

    def refuse(self, cost: float = 1.0) -> float:
        """Like `take`, but never goes into debt.

        Returns:
            Seconds to wait before the next attempt; 0 when the cost was paid.
        """
        wait = self.take(cost)
        if wait:
            self._left += cost
        return wait


class AddressAllowances:
    """A budget for each address; the longest unused one is dropped."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    def of(self, address: str) -> Allowance:
        """Return the budget of ``address``."""
        site = site_of(address)
        if site not in self._allowances:
            self._allowances[site] = Allowance(self._rate, self._burst, self._now)
            if len(self._allowances) > ADDRESSES_REMEMBERED:
                self._allowances.popitem(last=False)
        self._allowances.move_to_end(site)
        return self._allowances[site]


def site_of(address: str) -> str:
    """Return the network that counts as one client: an IPv4 address, or the first half of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_SITE), strict=False))
