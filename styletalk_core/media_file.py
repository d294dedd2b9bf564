"""Opens sound and video files whose origin nobody knows.

Only formats that hold their own sound and pictures are read: FFmpeg also reads playlists, and those make it open other
files and addresses. Pure apart from reading the file.
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
"""Names of FFmpeg's demuxers; those of pictures are there so that callers can say what is wrong with one."""


def open_media(path: str | Path) -> "InputContainer":
    """Opens a file for reading.

    Raises:
        av.error.FFmpegError, OSError: it is none of these formats, damaged or not there.
    """
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    return av.open(str(path), options=options, metadata_errors="replace")
