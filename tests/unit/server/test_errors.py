"""Every error class has a documented code and a matching status, and only errors with both reject a request."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import server.app  # noqa: F401  # every module that defines an error of the server
from server.errors import Refusal
from streaming.errors import ControlFailed, StreamingError, is_refusal
from styletalk_core.errors import InputError, NotFound, StyleTalkError

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
CODES = set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", DOCUMENT, re.M))))


def subclasses(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for derived in base.__subclasses__():
        yield from subclasses(derived)


ERRORS = sorted({*subclasses(StyleTalkError), *subclasses(StreamingError)}, key=lambda error: error.__name__)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_code_is_documented_and_internal_means_500(error: type[StyleTalkError | StreamingError]) -> None:
    assert error.code in CODES
    assert (error.code == "internal") == (error.status == 500)


def test_only_errors_of_the_tree_refuse_a_request() -> None:
    with pytest.raises(ValueError, match="reshape") as stray:
        np.zeros(3).reshape(2, 2)
    refusals = (InputError("bad"), NotFound("none"), Refusal("no_captions", "There are none."))
    assert all(is_refusal(error) for error in refusals)
    assert not any(is_refusal(error) for error in (stray.value, ControlFailed(), StyleTalkError(), OSError(404)))
