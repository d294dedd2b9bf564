"""RTMP output: H.264 and AAC to a server such as MediaMTX, YouTube or Twitch.

Runs on: any one thread at a time.
"""

from contextlib import suppress

import av

from server.sessions.live_output import OutputFailed
from server.sessions.mp4 import Mp4Writer
from server.sessions.recording import person, resized
from streaming.media import AudioChunk, RenderedFrame
from streaming.units import FRAME_TICKS


class RtmpSink:
    """Implements `Sink`.

    Args:
        url: of the stream, with its key.
        size: of the video in px.
        first: index of the first frame; audio before it is left out.

    Raises:
        OutputFailed: the server cannot be reached.
    """

    def __init__(self, url: str, size: int, first: int) -> None:
        self._size = size
        self._first = first
        try:
            self._writer = Mp4Writer(url, size, size, "ultrafast", container="flv")
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed("The RTMP server cannot be reached.") from error

    def write(self, item: AudioChunk | RenderedFrame) -> None:
        """Sends one frame or packet."""
        origin = self._first * FRAME_TICKS
        try:
            if isinstance(item, RenderedFrame):
                self._writer.write_frame(item.index - self._first, resized(person(item.yuv), self._size))
            elif item.end > origin:
                cut = max(origin - item.start, 0)
                self._writer.write_audio(item.start + cut - origin, item.samples[cut:])
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed("The RTMP server cannot be reached, or has ended the stream.") from error

    def close(self) -> None:
        """Ends the stream."""
        with suppress(av.FFmpegError, OSError):
            self._writer.close()
