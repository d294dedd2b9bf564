"""Proves that a client's message becomes a typed request or is rejected with a sentence that names the field."""

import math
import re
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.protocol import tables
from server.protocol.codec import pack, unpack
from server.protocol.decoder import decode, fields_of
from server.protocol.events import AudioBuffer, StyleApplied, encode, style_fields
from server.protocol.fields import UNSET, BadMessage
from server.protocol.requests import (
    CLIENT_REQUESTS,
    MAX_BLENDED_STYLES,
    VIEWER_REQUESTS,
    AppendAudio,
    Request,
    SetStyle,
    UpdateSession,
)


def test_a_style_or_a_blend_whose_shares_add_up_to_1() -> None:
    assert decode({"type": "style.set", "style": "happy"}, CLIENT_REQUESTS) == SetStyle(style="happy")
    blend = decode({"type": "style.set", "weights": {"happy": 0.9, "sad": 0.3, "calm": 0}}, CLIENT_REQUESTS)
    assert isinstance(blend, SetStyle) and blend.weights == pytest.approx({"happy": 0.75, "sad": 0.25})
    assert blend.style is UNSET and blend.intensity is UNSET


def test_json_carries_bytes_as_base64() -> None:
    message = unpack({"type": "websocket.receive", "text": '{"type": "input_audio.append", "audio": "AAEC"}'})
    assert message is not None
    assert decode(message, CLIENT_REQUESTS) == AppendAudio(audio=bytes([0, 1, 2]))


def test_nil_ends_a_presentation_and_a_missing_field_does_not() -> None:
    ended = decode({"type": "session.update", "presenter": None}, CLIENT_REQUESTS)
    assert isinstance(ended, UpdateSession) and ended.presenter is None
    silent = decode({"type": "session.update"}, CLIENT_REQUESTS)
    assert isinstance(silent, UpdateSession) and silent.presenter is UNSET


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"style": 3}, "style"),
        ({"style": ""}, "style"),
        ({"style": "\ud800"}, "style"),
        ({"style": "s" * 201}, "style"),
        ({"style": "happy", "weights": {"happy": 1}}, "style or weights"),
        ({"weights": ["happy"]}, "weights"),
        ({"weights": {}}, "weights"),
        ({"weights": {str(number): 0.1 for number in range(MAX_BLENDED_STYLES + 1)}}, "weights"),
        ({"weights": {b"happy": 1}}, "weights"),
        ({"weights": {"happy": "much"}}, "weights"),
        ({"weights": {"happy": True}}, "weights"),
        ({"weights": {"happy": -0.1, "sad": 0.5}}, "weights"),
        ({"weights": {"happy": math.nan}}, "weights"),
        ({"weights": {"happy": 0, "sad": 0.0}}, "weights"),
        ({"intensity": math.nan}, "intensity"),
        ({"intensity": 10**400}, "intensity"),
        ({"intensity": True}, "intensity"),
        ({"fade_ms": -1}, "fade_ms"),
        ({"fade": 300}, "'fade'"),
        ({"type": "avatar.set"}, "avatar"),
        ({"type": "avatar.set", "avatar": None}, "avatar"),
        ({"type": "input_audio.append", "audio": 5}, "audio"),
        ({"type": "input_audio.append", "audio": b"", "rate": 3_999}, "rate"),
        ({"type": "session.update", "motion": ["lips"]}, "motion"),
        ({"type": "session.update", "captions": "yes"}, "captions"),
        ({"type": "presenter.start", "name": "a b"}, "name"),
        ({"type": "text.speak", "text": "  "}, "text"),
        ({"type": "ping", "t": [1]}, "t must be"),
        ({"type": "dance"}, "'dance'"),
        ({"type": ["ping"]}, "type"),
        ({"type": "x" * 1000}, "type"),
    ],
)
def test_a_malformed_message_is_refused_by_the_name_of_its_field(message: dict[str, Any], named: str) -> None:
    with pytest.raises(BadMessage, match=re.escape(named)) as refusal:
        decode({"type": "style.set"} | message, CLIENT_REQUESTS)
    assert refusal.value.code == "bad_message" and len(str(refusal.value)) < 200


def test_a_viewer_may_only_ping_and_choose_its_motion() -> None:
    decode({"type": "session.update", "motion": True}, VIEWER_REQUESTS)
    for message in ({"type": "avatar.interrupt"}, {"type": "session.update", "avatar": "ada"}):
        with pytest.raises(BadMessage):
            decode(message, VIEWER_REQUESTS)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(CLIENT_REQUESTS), st.data())
def test_whatever_fields_hold_the_result_is_a_request_or_a_refusal(kind: type[Request], data: st.DataObject) -> None:
    fields = {key: data.draw(VALUES, key) for key in fields_of(kind) if data.draw(st.booleans(), f"has {key}")}
    try:
        request = decode({"type": kind.type, **fields}, CLIENT_REQUESTS)
    except BadMessage as refusal:
        assert str(refusal)
    else:
        assert type(request) is kind
        assert all((getattr(request, key) is UNSET) == (key not in fields) for key in fields_of(kind) if key != "t")


def test_an_unset_field_is_omitted_and_nil_is_sent() -> None:
    assert encode(AudioBuffer(5, 10)) == {"type": "input_audio.buffer", "buffered_ms": 5, "room_ms": 10}
    applied = StyleApplied(*style_fields({"happy": 1.0}), intensity=1.0, frame=3)
    sent = pack(encode(applied), as_json=False)["bytes"]
    assert msgpack.unpackb(sent) == {
        "type": "style.applied",
        "style": None,
        "weights": {"happy": 1.0},
        "intensity": 1.0,
        "frame": 3,
    }


def test_the_tables_of_the_document_are_those_of_the_code() -> None:
    document = tables.DOCUMENT.read_text()
    assert tables.written(document) == document, "run python -m server.protocol.tables"
