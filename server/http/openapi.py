"""OpenAPI 3.1 document of the REST API, served at /api/openapi.json; generated from the operations and their classes.

Pure. docs/protocol.md describes the WebSocket messages and SDP.
"""

from collections import defaultdict
from importlib.metadata import version

from server.auth.guard import PUBLIC_PATHS
from server.errors import Problem
from server.protocol.json_schema import Json, Message, schema_of
from server.protocol.operations import OPERATIONS


def document(protected: bool) -> Json:
    """Return the document.

    Args:
        protected: whether a key is required.
    """
    paths: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for operation in OPERATIONS:
        public: Json = {"security": []} if protected and operation.path in PUBLIC_PATHS else {}
        paths[operation.path][operation.method.lower()] = {**operation.described(), **public}
    messages: list[Message] = [Problem, *(message for operation in OPERATIONS for message in operation.messages())]
    schemas = {"schemas": {message.__name__: schema_of(message) for message in messages}}
    schemes = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}} if protected else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "StyleTalk Live",
            "version": version("styletalk-live"),
            "description": "Real-time talking avatar. Sessions are controlled over the WebSocket /ws.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {**schemas, **schemes},
        **({"security": [{"key": []}]} if protected else {}),
    }
