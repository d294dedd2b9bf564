"""The page's MessagePack codec agrees with Python's in both directions and rejects invalid data."""

import base64
from collections.abc import Iterator

import msgpack
import pytest
from playwright.sync_api import Page, Playwright, Route

from browser import chromium
from browser.conftest import ROOT

VALUES = [
    None, True, False, 0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1,
    -1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**53) + 1,
    0.5, -1.25e300, 3.0e-310, "", "a" * 31, "b" * 32, "ä€😀" * 100, "c" * 70000,
    b"", b"\x00\xff" * 100, b"x" * 300, b"y" * 70000,
    [], list(range(15)), list(range(16)), [0] * 70000,
    {}, {"type": "style.set", "style": "happy", "intensity": 0.75, "fade_ms": 400},
    {f"k{i}": [i, {"deep": [None, True, -i]}] for i in range(40)},
]  # fmt: skip
"""Each length header and number width of the format at both of its ends."""


@pytest.fixture(scope="module")
def codec(playwright: Playwright) -> Iterator[Page]:
    """A page that has the codec, and no server."""

    def serve(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if name:
            route.fulfill(path=ROOT / "client_demo" / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    browser = chromium.launch(playwright)
    page = browser.new_page()
    page.route("http://codec.test/*", serve)
    page.goto("http://codec.test/")
    yield page
    browser.close()


REENCODE = """async (texts) => {
  const { encode, decode } = await import("/msgpack.js");
  return texts.map((text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    let out = "";
    for (const byte of encode(decode(bytes))) out += String.fromCharCode(byte);
    return btoa(out);
  });
}"""
DECODE_ERROR = """async (texts) => {
  const { decode } = await import("/msgpack.js");
  return texts.map((text) => {
    try {
      decode(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
      return null;
    } catch (error) {
      return error.name;
    }
  });
}"""


def texts(values: list[bytes]) -> list[str]:
    return [base64.b64encode(value).decode() for value in values]


def test_what_python_packs_comes_back_byte_for_byte(codec: Page) -> None:
    packed = [msgpack.packb(value) for value in VALUES]
    returned = [base64.b64decode(text) for text in codec.evaluate(REENCODE, texts(packed))]
    assert returned == packed


def test_values_that_python_unpacks_are_the_same(codec: Page) -> None:
    singles = [msgpack.packb(value, use_single_float=True) for value in (0.5, -2.25)]
    returned = [base64.b64decode(text) for text in codec.evaluate(REENCODE, texts(singles))]
    assert [msgpack.unpackb(value) for value in returned] == [0.5, -2.25]


def test_broken_data_is_refused(codec: Page) -> None:
    whole = msgpack.packb({"type": "metrics", "parts": {"render": 12.5}, "names": ["ä", b"\x01"], "n": 70000})
    cut = [whole[:length] for length in range(len(whole))]
    others = {
        "left over": whole + b"\xc0",
        "extension": msgpack.packb(msgpack.ExtType(5, b"abc")),
        "integer key": msgpack.packb({1: 2}),
        "unsafe integer": msgpack.packb(2**60),
        "not UTF-8": b"\xa2\xff\xfe",
        "never used byte": b"\xc1",
        "huge array, no items": b"\xdd\xff\xff\xff\xff",
        "nested too deeply": b"\x91" * 1000 + b"\xc0",
    }
    errors = codec.evaluate(DECODE_ERROR, texts([*cut, *others.values()]))
    assert all(errors[: len(cut)])
    assert dict(zip(others, errors[len(cut) :], strict=True)) == {
        "left over": "RangeError",
        "extension": "TypeError",
        "integer key": "TypeError",
        "unsafe integer": "RangeError",
        "not UTF-8": "TypeError",
        "never used byte": "TypeError",
        "huge array, no items": "RangeError",
        "nested too deeply": "RangeError",
    }
