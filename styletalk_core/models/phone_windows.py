"""Validation of decoder inputs: windows of phone ids or of probability columns.

Runs on: any thread; pure.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.phones import PHONES, WINDOW


def check_phones(phones: NDArray[Any]) -> None:
    """Raises InputError unless phones are windows of ids 0..40 or of 41 finite probabilities."""
    if phones.dtype.kind == "f":
        if phones.shape[-2:] != (WINDOW, len(PHONES)):
            raise InputError(f"phone windows end in ({WINDOW}, {len(PHONES)}), not in {tuple(phones.shape[-2:])}")
        if not np.isfinite(phones).all():
            raise InputError("the phone probabilities hold values that are not finite")
        return
    if phones.shape[-1:] != (WINDOW,):
        raise InputError(f"phone windows have {WINDOW} columns, not {tuple(phones.shape[-1:])}")
    smallest, largest = (int(phones.min()), int(phones.max())) if phones.size else (0, 0)
    if smallest < 0 or largest >= len(PHONES):
        wrong = smallest if smallest < 0 else largest
        raise InputError(f"phone id {wrong} lies outside 0..{len(PHONES) - 1}")


def probability_columns(phones: NDArray[Any]) -> NDArray[np.float32]:
    """Converts checked phones to probabilities: ids (…, 11) become one-hot columns (…, 11, 41) float32."""
    check_phones(phones)
    if phones.dtype.kind == "f":
        return np.asarray(phones, np.float32)
    one_hot: NDArray[np.float32] = np.eye(len(PHONES), dtype=np.float32)[phones]
    return one_hot
