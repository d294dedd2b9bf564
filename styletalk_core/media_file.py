"""Safe opening of untrusted audio and video files.

Only self-contained formats are accepted: FFmpeg also reads playlists, which make it open other files and URLs. Pure
apart from reading the file.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import av

if TYPE_CHECKING:
    from av.container import InputContainer

FORMATS: Final = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dv,eac3,flac,flv,gif,h264,hevc,m4v,matroska,mov,mp3,mpeg,mpegts,mpegvideo,mxf,"
    "nut,ogg,rm,tta,w64,wav,wv,"
    "bmp_pipe,image2,jpeg_pipe,png_pipe,tiff_pipe,webp_pipe"
)
"""Accepted FFmpeg demuxers; image formats are included so that callers can report them specifically."""


def open_media(path: str | Path) -> "InputContainer":
    """Opens a file for reading.

    Raises:
        av.error.FFmpegError, OSError: the file has another format, is damaged or missing.
    """
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    return av.open(str(path), options=options, metadata_errors="replace")
