"""The mouth of a photo is brought to rest: closed, and nearly as narrow as usual."""

import numpy as np

from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.landmarks import INNER_LIP_PAIRS, MOUTH_CORNERS
from styletalk_core.rendering.mouth.neutral import resting_offsets

MODEL = FaceModel.load()


def test_a_face_at_rest_stays_as_it_is() -> None:
    closed = MODEL.mean + resting_offsets(MODEL.mean, MODEL)
    assert not resting_offsets(closed, MODEL).any()


def test_a_broad_smile_closes_and_keeps_a_part_of_its_width() -> None:
    """Without it the mouth narrows more than its cheeks, whose folds stay."""
    right, left = MOUTH_CORNERS
    upper, lower = np.array(INNER_LIP_PAIRS).T
    smile = MODEL.mean.copy()
    smile[:, 0] *= 1.4
    smile[lower, 1] += 0.05
    rest = smile + resting_offsets(smile, MODEL)
    widths = [float(face[left, 0] - face[right, 0]) for face in (MODEL.mean, rest, smile)]
    assert np.abs(rest[lower] - rest[upper]).max() < 1e-4
    assert 0.5 < (widths[1] - widths[0]) / (widths[2] - widths[0]) < 0.75
