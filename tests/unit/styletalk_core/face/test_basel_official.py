"""The official coefficients of a person move the mesh as the person's video does."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.face.basel import converted
from styletalk_core.face.basel_file import read_basel_file
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import fit_head
from styletalk_core.face.spaces import BFM64, MESH64
from styletalk_core.face.track import lip_gap
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.mesh_renderer import MeshRenderer

DATA = Path(__file__).parents[5] / "shared" / "data"
FRAMES = 120
LATE = 2
"""Frames of the video before the first coefficients."""


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")
def test_the_rendered_mesh_opens_its_lips_as_the_video_does() -> None:
    basel = read_basel_file(DATA / "official_dev" / "feifeili_clip1.mat").expression[:FRAMES]
    renderer = MeshRenderer(AvatarLibrary(None).get("clara"), 256)
    pose, gaze = np.zeros(6, np.float32), np.zeros(2, np.float32)
    with FaceTracker() as tracker:
        video = DATA / "video" / "address" / "feifeili_clip1.mp4"
        seen = tracker.track_video(video, span=(0, (FRAMES + LATE) / 30)).landmarks[LATE : LATE + FRAMES]
        drawn = [renderer.render_rgb(row, pose, gaze, 0.0) for row in converted(basel, BFM64, MESH64)]
        shown = np.stack([tracker.track_image(image) for image in drawn])
    mean = FaceModel.load().mean
    openings = [lip_gap(fit_head(faces, mean).remove(faces)) for faces in (shown, seen)]
    assert np.corrcoef(*openings)[0, 1] > 0.8
    assert 0.6 < openings[0].std() / openings[1].std() < 1.3
