"""Outputs of a presentation as configured: a WHIP server, an RTMP server, a virtual camera.

Runs on: event loop.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from server.service import Service
from server.sessions.live_output import LiveOutput
from server.sessions.presenter_session import PresenterSession
from server.sessions.rtmp import RtmpSink
from server.sessions.virtual_camera import CameraSink
from server.sessions.whip_out import WhipOut, with_name
from streaming.tasks import cancel


def publish(
    service: Service, session: PresenterSession, name: str, on_failure: Callable[[str], None]
) -> list[WhipOut | LiveOutput]:
    """Pass a presentation on until it ends; return its outputs, which have not connected yet.

    Args:
        name: of the presenter; takes the place of {presenter} in an address.
        on_failure: called with a sentence.
    """
    config, size = service.config, service.worker.size
    made: list[WhipOut | LiveOutput] = []
    if config.whip_out:
        address = with_name(config.whip_out, name)
        made.append(WhipOut(session, address, config.whip_out_key, size, service.media_path(), on_failure))
    if config.rtmp_out:
        made.append(LiveOutput(session, partial(RtmpSink, with_name(config.rtmp_out, name), size), on_failure))
    if config.virtual_camera:
        camera = config.virtual_camera
        made.append(LiveOutput(session, lambda first: CameraSink(camera, size), on_failure))
    for output in made:
        task = asyncio.create_task(output.run(), name=f"publish {name}")
        session.guests.push_async_callback(cancel, task)
    return made
