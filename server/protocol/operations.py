"""The operations of the REST API, WHIP and WHEP.

Pure. Routes are made from them, and so are the OpenAPI document and the REST table of docs/protocol.md.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from server.protocol.operation import Answer, Body, FileAnswer, JsonAnswer, Operation, Parameter
from server.protocol.resources import (
    Avatars,
    Backgrounds,
    ConversationAnswer,
    IceServers,
    NewAvatar,
    NewBackground,
    NewSmile,
    NewStyle,
    Presenters,
    Recordings,
    StyleMap,
    Styles,
    Token,
    TokenRequest,
    Uploads,
    WeightsAnswer,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

SDP: Final = "application/sdp"
SDP_FRAGMENT: Final = "application/trickle-ice-sdpfrag"
JPEG: Final = "image/jpeg"
NAME_PATTERN: Final = "^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"


def _name_of(noun: str) -> Parameter:
    return Parameter("name", f"Of the {noun}: letters, digits, '-' and '_'.", NAME_PATTERN)


def _put(noun: str, summary: str, file: str, message: type[T], *options: Parameter) -> Operation[JsonAnswer[T]]:
    """Create a user's own entry."""
    added = JsonAnswer(201, "It is available.", message, headers={"Location": f"Of the {noun}."})
    return Operation(
        "PUT", f"/api/{noun}s/{{name}}", f"put{noun.capitalize()}", summary, added, (400, 413, 503, 507),
        (_name_of(noun), *options), Body("application/octet-stream", file),
    )  # fmt: skip


def _delete(noun: str) -> Operation[Answer]:
    """Delete a user's own entry."""
    id, summary = f"delete{noun.capitalize()}", f"Delete a user {noun}"
    return Operation(
        "DELETE", f"/api/{noun}s/{{name}}", id, summary, Answer(204, "Deleted."), (404,), (_name_of(noun),)
    )


def _offer(path: str, id: str, summary: str, parameter: Parameter) -> Operation[FileAnswer]:
    """Answer an SDP offer."""
    return Operation(
        "POST", path, id, summary, ANSWERED, (400, 404, 413, 415, 503), (parameter,), Body(SDP, "The offer."), ELSEWHERE
    )


def _trickle(path: str, id: str, summary: str, *parameters: Parameter) -> Operation[Answer]:
    """Add ICE candidates."""
    return Operation(
        "PATCH", path, id, summary, Answer(204, "Accepted."), (400, 404, 413, 415, 422), parameters,
        Body(SDP_FRAGMENT, "The candidates."),
    )  # fmt: skip


def _options(path: str, id: str, *parameters: Parameter) -> Operation[Answer]:
    """Read the accepted media type (RFC 9725, section 4.2)."""
    return Operation("OPTIONS", path, id, "Read the media type that is accepted", POSTABLE, parameters=parameters)


POSTABLE: Final = Answer(204, "See Accept-Post.", headers={"Accept-Post": "Media type of an offer."})
ANSWERED: Final = FileAnswer(
    201,
    "The SDP answer.",
    SDP,
    headers={
        "Location": "Resource of the call; DELETE ends it.",
        "ETag": "Of the call.",
        "Link": "ICE servers as in RFC 9725; absent without TURN servers.",
        "Digital-Source-Type": "IPTC term: the video is AI-generated.",
    },
)
ELSEWHERE: Final = Answer(
    307, "In a cluster: repeat the request at Location.", headers={"Location": "Address of the server."}
)
ENDED: Final = Answer(200, "Ended.")
THUMBNAIL: Final = FileAnswer(200, "The thumbnail.", JPEG)
CALL: Final = Parameter("call", "From Location.")
PRESENTER: Final = Parameter("presenter", "As in the list.")
VIEWER: Final = Parameter("viewer", "From Location.")
RECORDING: Final = Parameter("id", "As in the list or in recording.started.")
SESSION: Final = Parameter(
    "session",
    "The id from session.created, or from X-Session to resume; without it a new session begins.",
    pattern=None,
    place="query",
)
FACE: Final = Parameter("face", "Face of the photo to use, 1 (the largest) to 99.", "^[1-9][0-9]?$", place="query")
TEETH: Final = Parameter(
    "teeth", "Row of the teeth bank, 1 to 99; default: the photo's own.", "^[1-9][0-9]?$", place="query"
)
WEARER: Final = Parameter("avatar", "Avatar to show it on; default: the first.", f"^$|{NAME_PATTERN}", place="query")

HEALTH: Final = Operation(
    "GET", "/healthz", "health", "Check that the process is alive", FileAnswer(200, "ok", "text/plain")
)
READINESS: Final = Operation(
    "GET", "/readyz", "readiness", "Check whether calls are accepted", FileAnswer(200, "ready", "text/plain"), (503,)
)
METRICS: Final = Operation(
    "GET", "/metrics", "metrics", "Read the metrics for Prometheus", FileAnswer(200, "Metrics.", "text/plain")
)
LIST_AVATARS: Final = Operation(
    "GET", "/api/avatars", "listAvatars", "List avatars", JsonAnswer(200, "All avatars.", Avatars)
)
AVATAR_THUMBNAIL: Final = Operation(
    "GET", "/api/avatars/{name}/thumbnail", "avatarThumbnail", "Read the thumbnail of an avatar", THUMBNAIL, (404,),
    (Parameter("name", "As in the list."),),
)  # fmt: skip
LIST_STYLES: Final = Operation(
    "GET", "/api/styles", "listStyles", "List speaking styles", JsonAnswer(200, "All styles.", Styles)
)
STYLE_MAP: Final = Operation(
    "GET", "/api/styles/map", "styleMap", "Read the 2D map of the styles",
    JsonAnswer(200, "Position of each style; x and y from -1 to 1.", StyleMap), (503,),
)  # fmt: skip
STYLE_THUMBNAIL: Final = Operation(
    "GET", "/api/styles/{name}/thumbnail", "getStyleThumbnail", "Read the thumbnail of a style on an avatar", THUMBNAIL,
    (404,), (_name_of("style"), WEARER),
)  # fmt: skip
PUT_STYLE: Final = _put("style", "Create a style", "A video of a person talking.", NewStyle)
DELETE_STYLE: Final = _delete("style")
PUT_AVATAR: Final = _put("avatar", "Create an avatar", "A photo, at most 30 MB.", NewAvatar, FACE, TEETH)
DELETE_AVATAR: Final = _delete("avatar")
PUT_SMILE: Final = Operation(
    "PUT", "/api/avatars/{name}/smile", "putSmile", "Give a user avatar the teeth of a smile of the same person",
    JsonAnswer(
        201, "It has them; a running session shows them after its next `avatar.set`.", NewSmile,
        headers={"Location": "Of the smile."},
    ), (400, 404, 413, 503, 507),
    (_name_of("avatar"),), Body("application/octet-stream", "A photo, at most 30 MB."),
)  # fmt: skip
LIST_UPLOADS: Final = Operation(
    "GET", "/api/uploads", "getUploads", "List uploads with position and progress", JsonAnswer(200, "Now.", Uploads)
)
LIST_BACKGROUNDS: Final = Operation(
    "GET", "/api/backgrounds", "listBackgrounds", "List backgrounds",
    JsonAnswer(200, "All backgrounds; any color #rrggbb is accepted as well.", Backgrounds),
)  # fmt: skip
PUT_BACKGROUND: Final = _put("background", "Create a background", "An image, at most 30 MB.", NewBackground)
DELETE_BACKGROUND: Final = _delete("background")
CONVERSATION: Final = Operation(
    "GET", "/api/conversation", "conversation", "Check whether the server can hold conversations",
    JsonAnswer(200, "Now.", ConversationAnswer),
)  # fmt: skip
WEIGHTS: Final = Operation(
    "GET", "/api/weights", "weights", "Read which weights the server uses, and their terms",
    JsonAnswer(200, "Until the server is restarted.", WeightsAnswer),
)  # fmt: skip
LIST_PRESENTERS: Final = Operation(
    "GET", "/api/presenters", "listPresenters", "List presenters", JsonAnswer(200, "All.", Presenters)
)
LIST_RECORDINGS: Final = Operation(
    "GET", "/api/recordings", "listRecordings", "List recordings", JsonAnswer(200, "Newest first.", Recordings)
)
GET_RECORDING: Final = Operation(
    "GET", "/api/recordings/{id}", "getRecording", "Read the file of a recording",
    FileAnswer(200, "The file.", "video/mp4"), (404,), (RECORDING,),
)  # fmt: skip
DELETE_RECORDING: Final = Operation(
    "DELETE", "/api/recordings/{id}", "deleteRecording", "Delete a recording", Answer(204, "Deleted."), (404,),
    (RECORDING,),
)  # fmt: skip
MAKE_TOKEN: Final = Operation(
    "POST", "/api/tokens", "makeToken", "Create a session token; needs the API key",
    JsonAnswer(201, "The token.", Token), (400, 413), body=Body(TokenRequest, "Its lifetime.", required=False),
)  # fmt: skip
LIST_ICE_SERVERS: Final = Operation(
    "GET", "/api/ice-servers", "iceServers", "List ICE servers for media", JsonAnswer(200, "All.", IceServers)
)
START_CALL: Final = _offer(
    "/whip", "call", "Start a call: send microphone audio, receive the avatar (RFC 9725)", SESSION
)
TRICKLE: Final = _trickle("/whip/{call}", "trickle", "Add ICE candidates to a call (RFC 8840)", CALL)
END_CALL: Final = Operation("DELETE", "/whip/{call}", "hangUp", "End a call", ENDED, (404,), (CALL,))
WATCH: Final = _offer("/whep/{presenter}", "watch", "Watch a presenter", PRESENTER)
TRICKLE_VIEWER: Final = _trickle(
    "/whep/{presenter}/{viewer}", "trickleViewer", "Add ICE candidates of a viewer (RFC 8840)", PRESENTER, VIEWER
)
CALL_OPTIONS: Final = _options("/whip", "callOptions")
CALL_RESOURCE_OPTIONS: Final = _options("/whip/{call}", "callResourceOptions", CALL)
WATCH_OPTIONS: Final = _options("/whep/{presenter}", "watchOptions", PRESENTER)
VIEWER_OPTIONS: Final = _options("/whep/{presenter}/{viewer}", "viewerOptions", PRESENTER, VIEWER)
STOP_WATCHING: Final = Operation(
    "DELETE", "/whep/{presenter}/{viewer}", "leave", "Stop watching", ENDED, (404,), (PRESENTER, VIEWER)
)

OPERATIONS: Final[Sequence[Operation[Answer]]] = tuple(
    value for value in vars().values() if isinstance(value, Operation)
)
"""All of the above, in this order."""
