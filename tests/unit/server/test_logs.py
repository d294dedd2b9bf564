"""Proves that log records name their session, as text and as JSON, and never contain a secret."""

import json
import logging
from collections.abc import Iterator

import pytest

from server import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Gives the root logger back what it had."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_text_names_the_session_and_hides_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", ["hunter2", ""])
    mark = logs.session.set("abc")
    logging.getLogger("server").info("from %s with %s", "?key=topsecret&x=1", "hunter2")
    logs.session.reset(mark)
    logging.getLogger("server").warning("Authorization: Bearer eyJ.x")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "INFO server [abc]: from ?key=[hidden]&x=1 with [hidden]"
    assert second == "WARNING server: Authorization: Bearer [hidden]"


def test_json_carries_the_session_and_a_clean_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", ["hunter2"])
    mark = logs.session.set("abc")
    try:
        raise ValueError("no hunter2 here")
    except ValueError:
        logging.getLogger("server").exception("it failed")
    logs.session.reset(mark)
    logging.getLogger("server").info("quiet")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["level"], first["message"], first["session"]) == ("error", "it failed", "abc")
    assert "no [hidden] here" in first["traceback"] and first["time"].endswith("+00:00")
    assert "session" not in second and "traceback" not in second


def test_chatty_libraries_are_quiet() -> None:
    logs.configure("text", [])
    assert logging.getLogger("aioice").level == logging.getLogger("uvicorn").level == logging.WARNING
