"""Bodies of HTTP requests and responses: one frozen class for each.

Pure. The OpenAPI document and the REST table of docs/protocol.md are generated from them. Text in a field's annotation
is a remark for the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from server.auth.access import MAX_TOKEN_SECONDS
from server.catalogue import AvatarKind, StyleKind
from server.protocol.json_schema import Limits
from server.webrtc.turn import IceServer
from styletalk_core.face.spaces import Space
from styletalk_core.weights import SetName

DEFAULT_TOKEN_SECONDS: Final = 600

UploadKind = Literal["style", "avatar", "smile", "background"]
Count = Annotated[int, Limits(0)]
Positive = Annotated[int, Limits(1)]
Share = Annotated[float, Limits(0, 1)]
Coordinate = Annotated[float, "-1 to 1"]


@dataclass(frozen=True, slots=True)
class Avatar:
    """One avatar."""

    name: str
    title: str
    kind: AvatarKind
    thumbnail: Annotated[str, "URL, which changes with the portrait"]


@dataclass(frozen=True, slots=True)
class Avatars:
    """All avatars."""

    avatars: Annotated[Sequence[Avatar], "the first is the default"]


@dataclass(frozen=True, slots=True)
class Style:
    """One speaking style."""

    name: str
    title: str
    kind: StyleKind
    thumbnail: Annotated[str, "URL, which changes with the motion"]


@dataclass(frozen=True, slots=True)
class Styles:
    """All speaking styles."""

    styles: Sequence[Style]


@dataclass(frozen=True, slots=True)
class StylePlace:
    """Position of a style in the map."""

    name: str
    x: Coordinate
    y: Coordinate


@dataclass(frozen=True, slots=True)
class StyleMap:
    """Map of the styles."""

    places: Annotated[Sequence[StylePlace], "similar styles are close together"]


@dataclass(frozen=True, slots=True)
class Background:
    """One background."""

    name: str
    title: str
    kind: str


@dataclass(frozen=True, slots=True)
class Backgrounds:
    """All backgrounds."""

    backgrounds: Annotated[Sequence[Background], "any color `#rrggbb` is accepted as well"]


@dataclass(frozen=True, slots=True)
class WeightsAnswer:
    """The packaged weights that a server uses."""

    weights: SetName
    commercial: Annotated[bool, "whether commercial use is allowed"]
    title: str
    explanation: str


@dataclass(frozen=True, slots=True)
class ConversationAnswer:
    """Whether the server can hold conversations."""

    available: bool
    explanation: Annotated[str, "which options are missing; empty if available"]


@dataclass(frozen=True, slots=True)
class Presenter:
    """One presenter."""

    name: str
    avatar: str
    viewers: Count


@dataclass(frozen=True, slots=True)
class Presenters:
    """All presenters."""

    presenters: Sequence[Presenter]


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """One recording."""

    recording: Annotated[str, "id"]
    bytes: Count
    ended: Annotated[int, Limits(0), "seconds since 1970"]


@dataclass(frozen=True, slots=True)
class Recordings:
    """All recordings."""

    recordings: Annotated[Sequence[RecordingFile], "newest first"]


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload."""

    kind: UploadKind
    name: str
    position: Annotated[int | None, Limits(0), "0 is being processed, 1 is next, null is still being uploaded"]
    done: Share


@dataclass(frozen=True, slots=True)
class Uploads:
    """All uploads; they are processed one at a time."""

    busy: bool
    done: Annotated[float, Limits(0, 1), "progress of the newest upload, 0 to 1"]
    uploads: Sequence[Upload]


@dataclass(frozen=True, slots=True)
class NewStyle:
    """A style made from an upload."""

    name: str
    kind: StyleKind
    source: str
    frames_used: Positive
    tracked_share: Share
    motion_energy: float
    space: Annotated[Space, "of the coefficients: this project's face model, or that of the authors of StyleTalk"]
    seconds: Annotated[float, "processing time"]
    notes: Annotated[Sequence[str], "advice on the video"]
    conversion_error: Annotated[
        float | None, "of the motion in a session that uses the other space, relative; null without such sessions"
    ]


@dataclass(frozen=True, slots=True)
class NewAvatar:
    """An avatar made from an upload."""

    name: str
    size: Annotated[int, Limits(256), "of the video, px"]
    seconds: Annotated[float, "processing time"]
    face: Annotated[int, Limits(1), "number of the face that was used, 1 is the largest"]
    faces: Annotated[int, Limits(1), "number of faces in the photo"]
    notes: Annotated[Sequence[str], "advice on the photo; empty if there is none"]


@dataclass(frozen=True, slots=True)
class NewSmile:
    """An avatar with the teeth of an upload."""

    name: str
    seconds: Annotated[float, "of processing"]


@dataclass(frozen=True, slots=True)
class NewBackground:
    """A background made from an upload."""

    name: str
    seconds: Annotated[float, "processing time"]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Request for a session token."""

    seconds: Annotated[int, Limits(1, MAX_TOKEN_SECONDS), f"1 to {MAX_TOKEN_SECONDS}"] = DEFAULT_TOKEN_SECONDS


@dataclass(frozen=True, slots=True)
class Token:
    """A session token."""

    token: str
    expires_in: Annotated[int, Limits(1), "seconds"]


@dataclass(frozen=True, slots=True)
class IceServers:
    """ICE servers for an ``RTCPeerConnection``."""

    ice_servers: Sequence[IceServer]
    expires_in: Annotated[int, Limits(1), "seconds"]
