"""Steadying of the lower face: a little of the frame before is kept in every frame.

A phone window moves on by a whole column from frame to frame, so that lips tremble more than people's do. A quarter of
one frame takes a third of it away, at the price of a quarter of a frame of delay.

Only coefficients of `mesh64` are steadied: the authors' network is to give what their code gives.

Runs on: any thread; pure.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.models.dimensions import MESH64_LOWER, Dimensions

SHARE: Final = 0.25
"""Of the frame before in the lower face."""
KEPT: Final = np.where(np.isin(np.arange(Dimensions().coefficients), MESH64_LOWER), SHARE, 0.0).astype(np.float32)
"""(64,): share of the frame before in each coefficient."""


def steady(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the steadied frames (…, 64) for decoded ones and those decoded a frame before."""
    return now + KEPT * (before - now)


def steadied(motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a decoded motion (T, 64) with all its frames steadied."""
    return steady(np.concatenate([motion[:1], motion[:-1]]), motion)
