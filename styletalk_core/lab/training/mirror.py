"""Left-right mirroring of expressions, as a linear map of coefficients.

Runs on: any thread; pure.
"""

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.face_model import FaceModel


def mirror_map(model: FaceModel) -> NDArray[np.float32]:
    """Map (64, 64): ``coefficients @ map`` gives the mirrored face, as closely as the face model can represent it."""
    mean = np.asarray(model.mean)[:468]
    centred = mean - mean.mean(axis=0)
    flipped = centred * np.array([-1.0, 1.0, 1.0])
    partner = np.array([np.argmin(((centred - point) ** 2).sum(axis=1)) for point in flipped])
    basis = np.asarray(model.offsets(np.eye(64, dtype=np.float32)))[:, :468]
    mirrored = basis[:, partner] * np.array([-1.0, 1.0, 1.0])
    result = np.zeros((64, 64), dtype=np.float32)
    for part in (slice(0, 13), slice(13, 64)):
        own = basis[part].reshape(part.stop - part.start, -1)
        found, *_ = np.linalg.lstsq(own.T, mirrored[part].reshape(len(own), -1).T, rcond=None)
        result[part, part] = found.T
    return result
