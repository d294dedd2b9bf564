"""RTMP output: H.264 and AAC to a server such as MediaMTX, YouTube or Twitch.

Runs on: any one thread at a time.
"""

from contextlib import suppress

import av

from server.sessions.live_output import OutputFailed
from server.sessions.mp4 import Mp4Writer
from server.sessions.recording import write_media
from streaming.media import AudioChunk, RenderedFrame


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
        try:
            write_media(self._writer, item, self._first, self._size)
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed("The RTMP server cannot be reached, or has ended the stream.") from error

    def close(self) -> None:
        """Ends the stream."""
        with suppress(av.FFmpegError, OSError):
            self._writer.close()
