"""Face curves of the received video, by the face tracker."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from browser.recording import Recording
from styletalk_core.face.head_pose import clip_shape, fit_head
from styletalk_core.face.track import lip_gap
from styletalk_core.face.tracker import FaceTracker

Array = NDArray[np.float64]
MILLISECONDS = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class FaceCurves:
    """T frames: ``times`` (T,) seconds, ``face`` (T, 478, 3) without head pose and ``opening`` (T,), the inner-lip gap.

    Both in inter-ocular distances, NaN where no face was found.
    """

    times: Array
    face: NDArray[np.float32]
    opening: Array


def track_face(video: Path) -> FaceCurves:
    """Tracks every frame of a video as it is."""
    with FaceTracker() as tracker:
        track = tracker.track_video(video, fps=None)
    landmarks = track.landmarks
    face = fit_head(landmarks, clip_shape(landmarks)).remove(landmarks)
    return FaceCurves(track.times, face, lip_gap(face).astype(np.float64))


def write_video(recording: Recording, path: Path) -> Path:
    """The received frames at their display times, as nearly lossless H.264."""
    times = np.round(recording.frame_times - recording.frame_times[0]).astype(int)
    size = recording.images[0].shape[0]
    with av.open(path, "w") as container:
        stream = container.add_stream(
            "libx264", rate=30, options={"crf": "12", "preset": "veryfast", "tune": "zerolatency"}
        )
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = MILLISECONDS
        for time, image in zip(times, recording.images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = int(time), MILLISECONDS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_contact_sheet(recording: Recording, positions: Array, path: Path, columns: int = 8, rows: int = 5) -> None:
    """Evenly spread received frames with their position in the spoken file."""
    chosen = np.linspace(0, len(recording.images) - 1, columns * rows).round().astype(int)
    tiles = []
    for index in chosen:
        tile = cv2.cvtColor(
            cv2.resize(recording.images[index], (240, 240), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR
        )
        cv2.putText(
            tile, f"{positions[index]:.2f} s", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
        )
        tiles.append(tile)
    sheet = [np.hstack(tiles[row * columns : (row + 1) * columns]) for row in range(rows)]
    cv2.imwrite(str(path), np.vstack(sheet))
