"""WHIP and WHEP signalling: a client posts an SDP offer and receives its avatar (RFC 9725), a viewer a presenter's.

Runs on: event loop. Routes: POST /whip, PATCH and DELETE /whip/{id}; POST /whep/{presenter}, PATCH and DELETE
/whep/{presenter}/{id}; OPTIONS on all of them.
"""

import logging

from aiortc import RTCPeerConnection
from starlette.requests import Request
from starlette.responses import Response

from server import logs
from server.auth.limits import BodyTooLarge, read_body
from server.errors import problem
from server.protocol.operations import (
    CALL_OPTIONS,
    CALL_RESOURCE_OPTIONS,
    END_CALL,
    SDP,
    SDP_FRAGMENT,
    START_CALL,
    STOP_WATCHING,
    TRICKLE,
    TRICKLE_VIEWER,
    VIEWER_OPTIONS,
    WATCH,
    WATCH_OPTIONS,
)
from server.provenance.ai_label import AI_LABEL
from server.service import RETRY_AFTER_SECONDS, Service
from server.sessions.clients import Client, TooManySessions
from server.sessions.microphone_session import MicrophoneSession
from server.sessions.viewers import MAX_VIEWERS, Viewer
from server.webrtc import turn
from server.webrtc.aiortc_patches import NoMediaPort
from server.webrtc.ice_fragment import IceFragment, add_candidates
from streaming.errors import EngineFailure, WorkerFull

logger = logging.getLogger(__name__)
MAX_SDP_BYTES = 64 * 1024


def busy(service: Service) -> Response:
    """Return 503 with Retry-After."""
    if service.draining:
        code, message = "draining", "The server is shutting down; try again in a moment."
    elif service.worker.ready and not service.worker.plan.feasible:
        return problem(503, "machine_too_slow", service.worker.plan.described())
    elif service.worker.ready:
        code, message = "server_full", f"The server is full ({service.worker.slots} sessions); try again in a moment."
    else:
        code, message = "warming_up", "The server is warming up; try again in a moment."
    return problem(503, code, message, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _no_port() -> Response:
    wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return problem(503, "no_media_port", "All UDP ports for media are taken; widen --udp-ports.", wait)


async def _read_offer(request: Request) -> str | Response:
    """Return the SDP of a request, or the error response to an invalid one."""
    if request.headers.get("content-type", "").split(";")[0].strip() != SDP:
        return problem(415, "unsupported_media_type", f"The body must be {SDP}.")
    try:
        return (await read_body(request, MAX_SDP_BYTES)).decode()
    except BodyTooLarge:
        return problem(413, "too_large", f"The offer must be at most {MAX_SDP_BYTES} bytes.")
    except UnicodeDecodeError:
        return problem(400, "bad_offer", "The offer is not text.")


async def post_offer(request: Request) -> Response:
    """Answers an offer; ``?session=ID`` resumes a client's settings and replaces its call."""
    service: Service = request.app.state.service
    offer = await _read_offer(request)
    if isinstance(offer, Response):
        return offer
    if service.draining:
        return busy(service)
    address = request.client.host if request.client else ""
    try:
        client = service.clients.get_or_create(request.query_params.get("session"), service.first_settings(), address)
    except TooManySessions as error:
        return problem(429, "too_many_sessions", str(error), {"Retry-After": str(RETRY_AFTER_SECONDS)})
    logs.session.set(client.id)
    try:
        async with client.negotiating:  # one call per client, even with concurrent offers
            await service.clients.end(client)
            try:
                session = await _answer(service, client, offer)
            except WorkerFull:
                if not await service.clients.replace(client):
                    raise
                session = await _answer(service, client, offer)
            service.clients.start(client, session)
    except (WorkerFull, EngineFailure):
        return busy(service)
    except NoMediaPort:
        return _no_port()
    logger.info("call %s answered", session.id)
    headers = {"Location": END_CALL.address(call=session.id), "ETag": f'"{session.id}"', "X-Session": client.id}
    return _answered(service, session.answer_sdp, client.id, headers)


async def _answer(service: Service, client: Client, offer: str) -> MicrophoneSession:
    return await MicrophoneSession.answer(offer, service.worker, service.plan(), client.settings, service.media_path())


def _answered(service: Service, sdp: str, label: str, headers: dict[str, str]) -> Response:
    """Return 201 with the answer, the client's ICE servers and the AI label."""
    if links := turn.link_headers(service.ice_servers(label)):
        headers |= {"Link": links}
    return Response(sdp, 201, headers | {"Digital-Source-Type": AI_LABEL["digital_source_type"]}, SDP)


async def patch_candidates(request: Request) -> Response:
    """Adds trickled ICE candidates (RFC 8840 fragment)."""
    service: Service = request.app.state.service
    session = next(
        (session for session in service.clients.microphone_sessions() if session.id == request.path_params["call"]),
        None,
    )
    if session is None:
        return problem(404, "not_found", "There is no such call.")
    return await _add_candidates(request, session.peer)


async def _add_candidates(request: Request, peer: RTCPeerConnection) -> Response:
    if request.headers.get("content-type", "").split(";")[0].strip() != SDP_FRAGMENT:
        return problem(415, "unsupported_media_type", f"The body must be {SDP_FRAGMENT}.")
    try:
        text = (await read_body(request, MAX_SDP_BYTES)).decode()
    except BodyTooLarge:
        return problem(413, "too_large", f"The fragment must be at most {MAX_SDP_BYTES} bytes.")
    except UnicodeDecodeError:
        return problem(400, "bad_fragment", "The fragment is not text.")
    await add_candidates(peer, IceFragment.parse(text))
    return Response(status_code=204)


async def delete_session(request: Request) -> Response:
    """Ends a call."""
    service: Service = request.app.state.service
    client = service.clients.by_session(request.path_params["call"])
    if client is None:
        return problem(404, "not_found", "There is no such call.")
    await service.clients.end(client)
    return Response(status_code=200)


async def post_viewer(request: Request) -> Response:
    """Lets a viewer watch a presenter."""
    service: Service = request.app.state.service
    offer = await _read_offer(request)
    if isinstance(offer, Response):
        return offer
    name = request.path_params["presenter"]
    presenter = service.clients.presenters().get(name)
    if presenter is None or presenter.session is None or not presenter.session.media_session.clock.started:
        return problem(404, "not_found", f"There is no presenter named {name!r}.")
    viewers = presenter.session.viewers
    if len(viewers.by_id) >= MAX_VIEWERS:
        return problem(503, "server_full", "The server is full.", {"Retry-After": str(RETRY_AFTER_SECONDS)})
    try:
        clock, size = presenter.session.media_session.clock, service.worker.size
        viewer = await viewers.admit(offer, clock, size, service.media_path())
    except NoMediaPort:
        return _no_port()
    headers = {"Location": STOP_WATCHING.address(presenter=name, viewer=viewer.id), "ETag": f'"{viewer.id}"'}
    return _answered(service, viewer.peer.localDescription.sdp, viewer.id, headers)


def _viewer(request: Request) -> Viewer | None:
    service: Service = request.app.state.service
    presenter = service.clients.presenters().get(request.path_params["presenter"])
    viewers = {} if presenter is None or presenter.session is None else presenter.session.viewers.by_id
    return viewers.get(request.path_params["viewer"])


async def patch_viewer(request: Request) -> Response:
    """Adds a viewer's trickled ICE candidates."""
    viewer = _viewer(request)
    if viewer is None:
        return problem(404, "not_found", "There is no such viewer.")
    return await _add_candidates(request, viewer.peer)


async def options(request: Request) -> Response:
    """Tells what may be posted (RFC 9725, section 4.2)."""
    return Response(status_code=204, headers={"Accept-Post": SDP})


async def delete_viewer(request: Request) -> Response:
    """Disconnects a viewer."""
    viewer = _viewer(request)
    if viewer is None:
        return problem(404, "not_found", "There is no such viewer.")
    viewer.ended.set()
    return Response(status_code=200)


routes = [
    START_CALL.route(post_offer),
    TRICKLE.route(patch_candidates),
    END_CALL.route(delete_session),
    WATCH.route(post_viewer),
    TRICKLE_VIEWER.route(patch_viewer),
    STOP_WATCHING.route(delete_viewer),
    *(to.route(options) for to in (CALL_OPTIONS, CALL_RESOURCE_OPTIONS, WATCH_OPTIONS, VIEWER_OPTIONS)),
]
