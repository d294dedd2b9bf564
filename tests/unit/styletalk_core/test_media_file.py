"""Proves that an untrusted file cannot make its reader open any other file."""

from pathlib import Path

import av
import pytest
from face_videos import noise_frames, write_video

from styletalk_core.media_file import open_media


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", noise_frames(3))


def test_a_clip_is_opened(clip: Path) -> None:
    with open_media(clip) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile clip.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.mp4\n#EXT-X-ENDLIST\n",
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><BaseURL>clip.mp4</BaseURL></Period></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("name", ["list", "list.m3u8", "list.mpd", "list.sdp"])
def test_a_playlist_that_leads_elsewhere_is_refused(clip: Path, playlist: str, name: str) -> None:
    path = clip.with_name(name)
    path.write_text(playlist)
    with pytest.raises(av.error.FFmpegError):
        open_media(path)


def test_an_address_is_not_fetched() -> None:
    with pytest.raises((av.error.FFmpegError, OSError)):
        open_media("http://127.0.0.1:9/clip.mp4")
