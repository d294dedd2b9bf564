"""OpenAPI 3.1 document of the REST API, served at /api/openapi.json.

Pure. docs/protocol.md describes the WebSocket messages and SDP.
"""

from importlib.metadata import version
from typing import Any

from server.auth.guard import PUBLIC_PATHS

Json = dict[str, Any]

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
PROBLEMS = {
    400: "The body cannot be used; the message says why.",
    401: "A key or a token is needed.",
    403: "The token does not allow this, or the request comes from another web site.",
    404: "There is no such resource.",
    413: "The body is too large.",
    415: "The media type of the body is not supported.",
    429: "Too many requests or sessions; Retry-After says when to try again.",
    503: "Full, warming up or shutting down; Retry-After says when to try again.",
}
EVERYWHERE = (401, 403, 429)
TEXT: Json = {"type": "string"}
SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(key: str, **properties: Json) -> Json:
    return _object(**{key: {"type": "array", "items": _object(**properties)}})


def _whole(least: int = 0) -> Json:
    return {"type": "integer", "minimum": least}


STYLE = {"name": TEXT, "kind": {"enum": ["emotion", "manner", "user"]}}
ICE_SERVER = _object(urls={"type": "array", "items": TEXT}, username=TEXT, credential=TEXT)
SCHEMAS: Json = {
    "Problem": _object(code={"type": "string", "pattern": "^[a-z_]+$"}, message=TEXT),
    "Avatars": _list("avatars", name=TEXT, title=TEXT, kind={"enum": ["presenter", "user"]}, thumbnail=TEXT),
    "Uploads": _object(
        busy={"type": "boolean"},
        done=SHARE,
        uploads={
            "type": "array",
            "items": _object(
                kind={"enum": ["style", "avatar", "background"]},
                name=TEXT,
                position={"type": ["integer", "null"], "minimum": 0},
                done=SHARE,
            ),
        },
    ),
    "NewAvatar": _object(name=TEXT, size=_whole(256)),
    "NewBackground": _object(name=TEXT),
    "Styles": _list("styles", title=TEXT, thumbnail=TEXT, **STYLE),
    "StyleMap": _list("places", name=TEXT, x={"type": "number"}, y={"type": "number"}),
    "Backgrounds": _list("backgrounds", name=TEXT, title=TEXT, kind=TEXT),
    "Presenters": _list("presenters", name=TEXT, avatar=TEXT, viewers=_whole()),
    "Recordings": _list("recordings", recording=TEXT, bytes=_whole(), ended=_whole()),
    "NewStyle": _object(
        **STYLE,
        frames_used=_whole(1),
        tracked_share=SHARE,
        notes={"type": "array", "items": TEXT},
    ),
    "TokenWish": {
        "type": "object",
        "properties": {"seconds": {"type": "integer", "minimum": 1, "maximum": 3600, "default": 600}},
    },
    "Token": _object(token=TEXT, expires_in=_whole(1)),
    "IceServers": _object(ice_servers={"type": "array", "items": ICE_SERVER}, expires_in=_whole(1)),
}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _bytes(media_type: str) -> Json:
    return {media_type: {"schema": {"type": "string", "contentMediaType": media_type}}}


def _answer(description: str, content: Json | None = None, **headers: str) -> Json:
    answer: Json = {"description": description}
    if content:
        answer["content"] = content
    if headers:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        answer["headers"] = {name: {"description": text, "schema": TEXT} for name, text in named.items()}
    return answer


def _path(name: str, description: str, pattern: str = "^[^/]+$") -> Json:
    schema = {"type": "string", "pattern": pattern, "minLength": 1}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _operation(
    id: str,
    summary: str,
    answers: dict[int, Json],
    *problems: int,
    parameters: list[Json] | None = None,
    body: Json | None = None,
    required: bool = True,
) -> Json:
    """Return one operation, with the errors of `Guard` added to its ``problems``."""
    refusals = {status: _answer(PROBLEMS[status], _json("Problem")) for status in (*problems, *EVERYWHERE)}
    operation: Json = {
        "operationId": id,
        "summary": summary,
        "responses": {str(status): answer for status, answer in sorted((answers | refusals).items())},
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {"content": body, "required": required}
    return operation


def _own(thing: str, making: str, name: Json) -> Json:
    """Return the operations that add and delete user uploads."""
    added = _answer("It is available.", _json(f"New{thing}"), Location=f"Of the {thing.lower()}.")
    media = _bytes("application/octet-stream")
    gone = {204: _answer("Deleted.")}
    return {
        "put": _operation(f"put{thing}", making, {201: added}, *(400, 413, 503), parameters=[name], body=media),
        "delete": _operation(f"delete{thing}", f"Delete a user {thing.lower()}", gone, 404, parameters=[name]),
    }


SDP = _bytes("application/sdp")
STYLE_NAME = _path("name", "Of the style: letters, digits, '-' and '_'.", NAME_PATTERN)
BACKGROUND_NAME = _path("name", "Of the background: letters, digits, '-' and '_'.", NAME_PATTERN)
WEARER: Json = {
    "name": "avatar",
    "in": "query",
    "description": "Avatar to draw it on; the first one by default.",
    "schema": {"type": "string", "pattern": f"^$|{NAME_PATTERN}"},
}
AVATAR_NAME = _path("name", "Of the avatar: letters, digits, '-' and '_'.", NAME_PATTERN)
RECORDING = _path("id", "As in the list or in recording.started.")
PRESENTER = _path("presenter", "As in the list.")
SESSION: Json = {
    "name": "session",
    "in": "query",
    "description": "The id from session.created, or from X-Session to resume; without it a new session begins.",
    "schema": TEXT,
}
ELSEWHERE = _answer("In a cluster: repeat the request at Location.", Location="Address of the server.")
ANSWERED = _answer(
    "The SDP answer.",
    SDP,
    Location="Resource of the call; DELETE ends it.",
    ETag="Of the call.",
    Link="ICE servers as in RFC 9725; absent without TURN servers.",
    Digital_Source_Type="IPTC term: the video is AI-generated.",
)


def _offer(id: str, summary: str, parameter: Json) -> Json:
    """Return an operation that answers an SDP offer."""
    answers, problems = {201: ANSWERED, 307: ELSEWHERE}, (400, 404, 413, 415, 503)
    return _operation(id, summary, answers, *problems, parameters=[parameter], body=SDP)


PATHS: Json = {
    "/healthz": {"get": _operation("health", "The process is alive", {200: _answer("ok", _bytes("text/plain"))})},
    "/readyz": {
        "get": _operation("readiness", "Calls are accepted", {200: _answer("ready", _bytes("text/plain"))}, 503),
    },
    "/metrics": {
        "get": _operation("metrics", "Prometheus metrics", {200: _answer("Figures.", _bytes("text/plain"))}),
    },
    "/api/avatars": {
        "get": _operation("listAvatars", "List avatars", {200: _answer("All avatars.", _json("Avatars"))}),
    },
    "/api/avatars/{name}/thumbnail": {
        "get": _operation(
            "avatarThumbnail",
            "Thumbnail of an avatar",
            {200: _answer("The thumbnail.", _bytes("image/jpeg"))},
            404,
            parameters=[_path("name", "As in the list.")],
        ),
    },
    "/api/styles": {
        "get": _operation("listStyles", "List speaking styles", {200: _answer("All styles.", _json("Styles"))}),
    },
    "/api/styles/map": {
        "get": _operation(
            "styleMap",
            "2D map of the styles, similar ones close together",
            {200: _answer("Position of each style; x and y from -1 to 1.", _json("StyleMap"))},
            503,
        ),
    },
    "/api/styles/{name}/thumbnail": {
        "get": _operation(
            "getStyleThumbnail",
            "Thumbnail of a style on an avatar",
            {200: _answer("The thumbnail.", _bytes("image/jpeg"))},
            404,
            parameters=[STYLE_NAME, WEARER],
        ),
    },
    "/api/styles/{name}": _own("Style", "Create a style from a video of a person talking", STYLE_NAME),
    "/api/avatars/{name}": _own("Avatar", "Create an avatar from a photo", AVATAR_NAME),
    "/api/uploads": {
        "get": _operation(
            "getUploads", "Position and progress of every upload", {200: _answer("Now.", _json("Uploads"))}
        ),
    },
    "/api/backgrounds": {
        "get": _operation(
            "listBackgrounds",
            "List backgrounds",
            {200: _answer("All backgrounds; any color #rrggbb is accepted as well.", _json("Backgrounds"))},
        ),
    },
    "/api/backgrounds/{name}": _own("Background", "Create a background from an image", BACKGROUND_NAME),
    "/api/presenters": {
        "get": _operation("listPresenters", "List presenters", {200: _answer("All.", _json("Presenters"))}),
    },
    "/api/recordings": {
        "get": _operation("listRecordings", "Recordings", {200: _answer("Newest first.", _json("Recordings"))}),
    },
    "/api/recordings/{id}": {
        "get": _operation(
            "getRecording",
            "The file of a recording",
            {200: _answer("The file.", _bytes("video/mp4"))},
            404,
            parameters=[RECORDING],
        ),
        "delete": _operation(
            "deleteRecording", "Delete a recording", {204: _answer("Deleted.")}, 404, parameters=[RECORDING]
        ),
    },
    "/api/tokens": {
        "post": _operation(
            "makeToken",
            "Create a session token; needs the API key",
            {201: _answer("The token.", _json("Token"))},
            *(400, 413),
            body=_json("TokenWish"),
            required=False,
        ),
    },
    "/api/ice-servers": {
        "get": _operation("iceServers", "ICE servers for media", {200: _answer("All.", _json("IceServers"))}),
    },
    "/whip": {
        "post": _offer("call", "Start a call: send microphone audio, receive the avatar (RFC 9725)", SESSION),
    },
    "/whip/{call}": {
        "patch": _operation(
            "trickle",
            "Add ICE candidates to a call (RFC 8840)",
            {204: _answer("Accepted.")},
            *(400, 404, 413, 415),
            parameters=[_path("call", "From Location.")],
            body=_bytes("application/trickle-ice-sdpfrag"),
        ),
        "delete": _operation(
            "hangUp", "End a call", {200: _answer("Ended.")}, 404, parameters=[_path("call", "From Location.")]
        ),
    },
    "/whep/{presenter}": {"post": _offer("watch", "Watch a presenter", PRESENTER)},
    "/whep/{presenter}/{viewer}": {
        "delete": _operation(
            "leave",
            "Stop watching",
            {200: _answer("Ended.")},
            404,
            parameters=[PRESENTER, _path("viewer", "From Location.")],
        ),
    },
}


def document(protected: bool) -> Json:
    """Return the document.

    Args:
        protected: whether a key is required.
    """
    described: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "StyleTalk Live",
            "version": version("styletalk-live"),
            "description": "Real-time talking avatar. Sessions are controlled over the WebSocket /ws.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": dict(PATHS),
        "components": {"schemas": SCHEMAS},
    }
    if protected:
        described["components"] |= {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
        described["security"] = [{"key": []}]
        described["paths"] |= {path: {"get": PATHS[path]["get"] | {"security": []}} for path in PUBLIC_PATHS}
    return described
