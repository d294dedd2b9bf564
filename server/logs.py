"""Server log: text, or one JSON object per line, with the session id and without secrets.

Runs on: any thread. A task sets `session` once; all its later records carry it.
"""

import json
import logging
import re
from collections.abc import Collection
from contextvars import ContextVar
from datetime import UTC, datetime

session: ContextVar[str] = ContextVar("session", default="")
"""Session id of the current task."""

HIDDEN = "[hidden]"
CREDENTIALS = re.compile(r"(?i)((?:key|token|credential|secret|password)=|bearer |styletalk-token=)[^\s&\"';,]+")


class _Secrets(logging.Filter):
    """Adds the session id to every record and masks secrets."""

    def __init__(self, secrets: Collection[str]) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record is changed, not dropped."""
        record.session = session.get()
        record.msg, record.args = self._clean(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._clean(logging.Formatter().formatException(record.exc_info))
        return True

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return CREDENTIALS.sub(rf"\1{HIDDEN}", text)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s%(about)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        about = getattr(record, "session", "")
        record.about = f" [{about}]" if about else ""
        return super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if about := getattr(record, "session", ""):
            fields["session"] = about
        if record.exc_text:
            fields["traceback"] = record.exc_text
        return json.dumps(fields)


def configure(format: str, secrets: Collection[str]) -> None:
    """Sends the log to standard error, with ``secrets`` masked.

    Args:
        format: "text" or "json".
    """
    stream = logging.StreamHandler()
    stream.setFormatter(_Json() if format == "json" else _Text())
    stream.addFilter(_Secrets(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[stream], force=True)
    for library in ("aioice", "httpx", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
