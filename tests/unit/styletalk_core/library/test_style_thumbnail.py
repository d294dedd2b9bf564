"""The thumbnail of a style shows the expression after which it is named."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.face.head_pose import fit_head
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.style_thumbnail import SIDE, StyleThumbnails
from styletalk_core.library.styles import StyleLibrary


@pytest.mark.parametrize("avatar", AvatarLibrary(Path("none")).names())
def test_happy_smiles_and_surprised_lifts_the_brows(avatar: str) -> None:
    styles, thumbnails = StyleLibrary(Path("none")), StyleThumbnails(AvatarLibrary(Path("none")).get(avatar))
    drawn = {name: thumbnails.image(styles.get(name)) for name in ("neutral", "happy", "surprised", "angry")}
    assert all(image.shape == (SIDE, SIDE, 3) for image in drawn.values())
    with FaceTracker() as tracker:
        seen = {name: tracker.track_image(image) for name, image in drawn.items()}
    faces = {name: fit_head(points[None], seen["neutral"]).remove(points[None])[0] for name, points in seen.items()}
    width = {name: np.ptp(face[[61, 291], 0]) for name, face in faces.items()}
    brows = {name: -face[[105, 334], 1].mean() for name, face in faces.items()}
    assert width["happy"] > 1.05 * width["neutral"]
    assert brows["surprised"] > brows["angry"]
