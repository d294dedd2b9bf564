"""MATLAB files are read as SciPy reads them; damaged ones raise one error and never crash."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import loadmat, savemat

from styletalk_core.face.matlab_file import DamagedFile, read_matrices


def file_of(content: dict[str, Any], compressed: bool) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, content, do_compression=compressed)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_numeric_matrices_are_read_and_the_rest_is_left_out(compressed: bool) -> None:
    random = np.random.default_rng(0)
    numbers: dict[str, NDArray[Any]] = {
        "coeff": random.standard_normal((70, 257)).astype(np.float32),
        "transform_params": random.standard_normal((70, 5)),
        "a": np.array([[1, 2], [3, 4]], np.int16),
        "b": np.zeros((0, 3)),
        "a_rather_long_name_of_a_cube": random.integers(0, 9, (2, 3, 4)).astype(np.uint8),
    }
    data = file_of(numbers | {"words": "text", "cells": np.array([1, "x"], object), "z": 1j * np.ones(3)}, compressed)
    found, expected = read_matrices(data), loadmat(io.BytesIO(data))
    assert set(found) == set(numbers)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_raise_nothing_else(compressed: bool) -> None:
    whole = file_of({"coeff": np.ones((70, 7)), "x": np.ones(3)}, compressed)
    random = np.random.default_rng(0)
    refused = 0
    for number in range(1500):
        data = bytearray(whole)
        for _ in range(random.integers(1, 6)):
            data[random.integers(0, 260 if number % 2 else len(data))] = random.integers(0, 256)
        if number % 5 == 0:
            data = data[: random.integers(0, len(data))]
        try:
            read_matrices(bytes(data))
        except DamagedFile:
            refused += 1
    assert refused > 300
