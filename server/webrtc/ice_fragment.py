"""Trickled ICE candidates: the SDP fragment that a client sends after its offer (RFC 8840, RFC 9725).

Runs on: event loop.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiortc import RTCIceCandidate, RTCPeerConnection
from aiortc.sdp import SessionDescription, candidate_from_sdp

from server.webrtc.offer import check_candidates
from styletalk_core.errors import StyleTalkError

LOOKUP_SECONDS: Final = 2.0
"""Longest time for the names of all candidates; those without an address by then are left out."""


class FragmentRefused(StyleTalkError, ValueError):
    """The body is not an ICE fragment."""

    code = "bad_fragment"
    status = 400


class IceRestartRefused(StyleTalkError):
    """The fragment restarts ICE, which this server does not support (RFC 9725, section 4.3.2)."""

    code = "ice_restart"
    status = 422


@dataclass(frozen=True, slots=True)
class IceFragment:
    """Candidates of one fragment; ``username`` of the client's ICE session (None: not given)."""

    username: str | None
    candidates: tuple[RTCIceCandidate, ...]
    complete: bool

    @classmethod
    def parse(cls, text: str) -> "IceFragment":
        """Read a fragment.

        Raises:
            FragmentRefused: it is none.
            OfferRefused: it has too many candidates.
        """
        username, mid, candidates, complete = None, "0", list[RTCIceCandidate](), False
        try:
            for line in text.splitlines():
                name, _, value = line.strip().partition(":")
                if name == "a=mid":
                    mid = value
                elif name == "a=ice-ufrag":
                    username = value
                elif name == "a=candidate":
                    candidate = candidate_from_sdp(value)
                    candidate.sdpMid = mid
                    candidates.append(candidate)
                complete = complete or name == "a=end-of-candidates"
        except (ValueError, AssertionError, IndexError) as error:
            raise FragmentRefused("The body is not an ICE fragment.") from error
        check_candidates([candidate.ip for candidate in candidates])
        return cls(username, tuple(candidates), complete)


async def add_candidates(peer: RTCPeerConnection, fragment: IceFragment) -> None:
    """Add the candidates of a fragment to a connection; names are looked up side by side.

    Raises:
        IceRestartRefused: the fragment is of another ICE session.
        OfferRefused: the connection has too many candidates.
        FragmentRefused: a candidate cannot be used.
    """
    described = SessionDescription.parse(peer.remoteDescription.sdp)
    if fragment.username not in (None, *(media.ice.usernameFragment for media in described.media if media.ice)):
        raise IceRestartRefused("An ICE restart is not supported; end this session and send a new offer.")
    transports = {transceiver.receiver.transport.transport for transceiver in peer.getTransceivers()}
    known = [candidate.ip for transport in transports for candidate in transport.getRemoteCandidates()]
    check_candidates(known + [candidate.ip for candidate in fragment.candidates])
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            await asyncio.gather(*(peer.addIceCandidate(candidate) for candidate in fragment.candidates))
    except TimeoutError:
        pass  # the lookups were cancelled; candidates with an address have been added
    except (ValueError, AssertionError) as error:
        raise FragmentRefused("A candidate of the fragment cannot be used.") from error
    if fragment.complete:
        await peer.addIceCandidate(None)
