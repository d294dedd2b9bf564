"""Reader of the numeric matrices in a MATLAB file (level 5, as written by MATLAB 5 to 7.2 and SciPy).

SciPy's own reader, made for trusted files, crashes the process on some damaged ones; this one reads what it needs and
checks every length. Format: "MAT-File Format", The MathWorks, chapter 1. Little-endian files only, as every PC writes.

Runs on: any thread; pure.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES: Final = 128
MAX_BYTES: Final = 1 << 28
"""Largest uncompressed element."""
_LITTLE_ENDIAN: Final = b"IM"
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS: Final = {
    1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8",
}  # fmt: skip
"""Types of stored values."""
_NUMERIC_CLASSES: Final = range(6, 16)
"""Array classes double, single and the integers."""
_COMPLEX: Final = 0x0800
_ALIGNMENT: Final = 8
_SMALL_BYTES: Final = 4


class DamagedFile(ValueError):
    """The file is not a MATLAB file, or its lengths contradict each other."""


def read_matrices(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the real numeric matrices of a file by name; everything else in it is left out.

    Raises:
        DamagedFile: it is not such a file.
    """
    if len(data) < HEADER_BYTES or not data.startswith(b"MATLAB 5") or data[126:128] != _LITTLE_ENDIAN:
        raise DamagedFile("not a little-endian MATLAB file of level 5")
    matrices = {}
    for kind, content in _elements(data[HEADER_BYTES:]):
        if kind == _COMPRESSED:
            kind, content = next(_elements(_inflated(content)), (0, b""))
        if kind == _MATRIX and (found := _matrix(content)) is not None:
            matrices[found[0]] = found[1]
    return matrices


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of the elements that follow each other in ``data``.

    Raises:
        DamagedFile: an element is longer than the data.
    """
    at = 0
    while at + _ALIGNMENT <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        begin, end = at + _ALIGNMENT, at + _ALIGNMENT
        if small := kind >> 16:  # up to four bytes are stored in the tag itself
            kind, size, begin = kind & 0xFFFF, small, at + _SMALL_BYTES
            if size > _SMALL_BYTES:
                raise DamagedFile("a small element is too long")
        else:
            end = begin + size + (-size % _ALIGNMENT if kind != _COMPRESSED else 0)
        if begin + size > len(data):
            raise DamagedFile("an element is longer than the file")
        yield kind, data[begin : begin + size]
        at = end


def _inflated(content: bytes) -> bytes:
    try:
        inflater = zlib.decompressobj()
        inflated = inflater.decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise DamagedFile("a compressed element is damaged") from error
    if not inflater.eof:
        raise DamagedFile("a compressed element is cut off or too large")
    return inflated


def _matrix(content: bytes) -> tuple[str, NDArray[Any]] | None:
    """Return name and values of a matrix; None if it is not a real numeric one.

    Raises:
        DamagedFile: a part is missing, or the values do not fill the matrix.
    """
    parts = [part for part, _ in zip(_elements(content), range(4), strict=False)]
    if len(parts) < 4:
        return None
    (_, flags), (_, sizes), (_, name), (kind, values) = parts
    if len(flags) < 4 or len(sizes) % 4:
        raise DamagedFile("the description of a matrix is damaged")
    properties = struct.unpack_from("<I", flags)[0]
    if properties & 0xFF not in _NUMERIC_CLASSES or properties & _COMPLEX or kind not in _NUMBERS:
        return None
    shape = struct.unpack(f"<{len(sizes) // 4}i", sizes)
    stored = np.dtype(_NUMBERS[kind])
    count = 1
    for side in shape:
        count *= max(side, 0)
    if count * stored.itemsize != len(values):
        raise DamagedFile("the values do not fill the matrix")
    return name.decode("latin-1"), np.frombuffer(values, stored).reshape(shape, order="F")
