"""SDP offers: what an offer must have, and the part of it that is answered.

Pure. Offers of browsers, OBS, GStreamer and libdatachannel hold codecs that the library cannot parse to the end or
that are not wanted here; they are removed before the library sees them.
"""

from typing import Final

from aiortc.sdp import MediaDescription, SessionDescription

from styletalk_core.errors import StyleTalkError

CODECS: Final = {"audio": "audio/opus", "video": "video/VP8"}
"""The only codecs that are sent, by kind."""
MAX_CANDIDATES: Final = 64
"""Limit of candidates in an offer or a fragment: ICE checks each one with every address of the server."""
MAX_NAMED_CANDIDATES: Final = 8
"""Limit of mDNS candidates in an offer or a fragment; each takes up to a second to resolve."""
DISCARD_PORT: Final = 9
RECEIVING: Final = ("recvonly", "sendrecv")


class OfferRefused(StyleTalkError, ValueError):
    """The SDP offer cannot be answered; the message says why."""

    code = "bad_offer"
    status = 400


def usable(offer: str) -> SessionDescription:
    """Return an offer of one call with the codecs that can be answered.

    Raises:
        OfferRefused: it is none, or cannot be answered; no resource has been reserved.
    """
    try:
        described = SessionDescription.parse(offer)
        sections = [media for media in described.media if media.kind != "application"]
        kinds = sorted(media.kind for media in sections)
    except Exception as error:  # the library's parser raises various exceptions on bad input
        raise OfferRefused("The body is not an SDP offer this server understands.") from error
    if kinds != ["audio", "video"]:
        raise OfferRefused("The offer must have one audio and one video section.")
    for media in sections:
        media.direction = media.direction or "sendrecv"  # the default of RFC 3264
    if not any(media.direction in RECEIVING for media in sections):
        raise OfferRefused("The offer must receive audio or video: a=recvonly or a=sendrecv in one of its sections.")
    for media in sections:
        _check_transport(media)
        _keep_codec(media, CODECS[media.kind])
    check_candidates([candidate.ip for media in described.media for candidate in media.ice_candidates])
    complete = all(media.ice_candidates_complete for media in sections[:1])
    if complete and not any(media.ice_candidates for media in sections):
        raise OfferRefused("The offer says that it has all its ICE candidates, but it has none.")
    return described


def check_candidates(addresses: list[str]) -> None:
    """Check the number of candidates.

    Raises:
        OfferRefused: there are too many, or too many have names.
    """
    if len(addresses) > MAX_CANDIDATES or sum(name.endswith(".local") for name in addresses) > MAX_NAMED_CANDIDATES:
        raise OfferRefused(
            f"The offer must have at most {MAX_CANDIDATES} ICE candidates, {MAX_NAMED_CANDIDATES} of them by name."
        )


def _check_transport(media: MediaDescription) -> None:
    if not media.rtcp_mux:
        raise OfferRefused(f"The {media.kind} section of the offer must have a=rtcp-mux.")
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise OfferRefused(f"The {media.kind} section of the offer must have a=ice-ufrag and a=ice-pwd.")
    # RTCP comes with the media. Without a=rtcp, as from libdatachannel, the library drops a=rtcp-mux, and it cannot
    # write the mDNS name that Firefox gives there.
    media.rtcp_port, media.rtcp_host = DISCARD_PORT, "0.0.0.0"


def _keep_codec(media: MediaDescription, wanted: str) -> None:
    """Remove all codecs but one and its retransmission."""
    chosen = [codec for codec in media.rtp.codecs if codec.mimeType.lower() == wanted.lower()]
    if not chosen:
        raise OfferRefused(f"The offer must contain {wanted}.")
    kept = {codec.payloadType for codec in chosen}
    repeats = [
        codec
        for codec in media.rtp.codecs
        if codec.mimeType.lower() == f"{media.kind}/rtx" and codec.parameters.get("apt") in kept
    ]
    media.rtp.codecs = [*chosen, *repeats]
    media.fmt = [codec.payloadType for codec in media.rtp.codecs]
