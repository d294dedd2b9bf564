"""Hypothesis strategies that damage valid input as attackers and bad networks do."""

from collections.abc import Sequence
from typing import Any

import msgpack
from hypothesis import strategies as st

POSITION = st.integers(0, 1 << 20)
NUMBERS = (b"0", b"-1", b"255", b"65535", b"65536", b"2147483648", b"18446744073709551616", b"1e309", b"nan", b"")
WORDS = (
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff",
    b"\x00",
    b"\xff",
)

BYTE_EDITS = st.one_of(
    st.tuples(st.just("flip"), POSITION, st.integers(1, 255)),
    st.tuples(st.just("overwrite"), POSITION, st.one_of(st.sampled_from(WORDS), st.binary(min_size=1, max_size=8))),
    st.tuples(st.just("insert"), POSITION, st.binary(min_size=1, max_size=16)),
    st.tuples(st.just("cut"), POSITION, POSITION),
    st.tuples(st.just("repeat"), POSITION, st.integers(1, 512)),
    st.tuples(st.just("end"), POSITION, st.just(0)),
)
LINE_EDITS = st.one_of(
    st.tuples(st.just("drop"), POSITION, st.just(0)),
    st.tuples(st.just("double"), POSITION, st.integers(1, 40)),
    st.tuples(st.just("swap"), POSITION, POSITION),
    st.tuples(st.just("number"), POSITION, st.sampled_from(NUMBERS)),
    st.tuples(st.just("word"), POSITION, st.one_of(st.binary(max_size=12), st.text(max_size=12).map(str.encode))),
    st.tuples(st.just("replace"), POSITION, st.binary(max_size=40)),
)


def damaged(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of ``seeds`` with up to eight edits of its bytes, now and then any bytes at all."""
    edited = st.builds(_edit_bytes, st.sampled_from(seeds), st.lists(BYTE_EDITS, min_size=1, max_size=8))
    return st.one_of(*[edited] * 9, st.binary(max_size=600))


def damaged_lines(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """The same for text whose lines mean something."""
    edited = st.builds(_edit_lines, st.sampled_from(seeds), st.lists(LINE_EDITS, min_size=1, max_size=8))
    return st.one_of(*[edited] * 4, damaged(seeds))


def messages(types: Sequence[str], fields: Sequence[str], valid: Sequence[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """Msgpack: valid messages damaged, maps of the known fields with any values, and any value at all."""
    leaf = st.one_of(
        st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(), st.text(max_size=30),
        st.binary(max_size=200), st.sampled_from(("ada", "calm", "happy", "keep", "someone", "#102030", "blur")),
    )  # fmt: skip
    value = st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )
    known = st.builds(
        lambda type, rest: msgpack.packb({"type": type, **rest}),
        st.sampled_from(types),
        st.dictionaries(st.sampled_from(fields), value, max_size=5),
    )
    return st.one_of(known, known, damaged([msgpack.packb(message) for message in valid]), value.map(msgpack.packb))


def _edit_bytes(seed: bytes, edits: Sequence[tuple[str, int, Any]]) -> bytes:
    data = bytearray(seed)
    for kind, position, argument in edits:
        at = position % (len(data) or 1)
        if kind == "flip" and data:
            data[at] ^= argument
        elif kind == "overwrite":
            data[at : at + len(argument)] = argument
        elif kind == "insert":
            data[at:at] = argument
        elif kind == "cut":
            del data[at : at + argument % (len(data) or 1)]
        elif kind == "repeat":
            data[at:at] = data[at : at + argument]
        elif kind == "end":
            del data[at:]
    return bytes(data)


def _edit_lines(seed: bytes, edits: Sequence[tuple[str, int, Any]]) -> bytes:
    lines = seed.split(b"\r\n")
    for kind, position, argument in edits:
        at = position % (len(lines) or 1)
        if kind == "drop":
            del lines[at : at + 1]
        elif kind == "double":
            lines[at:at] = lines[at : at + 1] * argument
        elif kind == "swap" and lines:
            other = argument % len(lines)
            lines[at], lines[other] = lines[other], lines[at]
        elif kind in ("number", "word") and lines:
            words = lines[at].split(b" ")
            words[position // 7 % len(words)] = argument
            lines[at] = b" ".join(words)
        elif kind == "replace" and lines:
            lines[at] = argument
    return b"\r\n".join(lines)
