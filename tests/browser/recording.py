"""Audio and video received by the page, as arrays on the page's clock."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

FOLDER = Path(__file__).parent
SOUND_RATE = 48_000


@dataclass(frozen=True, slots=True)
class Recording:
    """Times in ms of the page's clock.

    Attributes:
        frame_times: (T,) expected display times.
        images: T arrays (W, W, 3) uint8 RGB; empty when no pictures were asked for.
        sound_start: when the first sample of ``microphone`` and ``returned`` plays.
        microphone, returned: (n,) float32 48 kHz, what was spoken and what came back.
        reported_skews: (k,) picture minus sound in ms by the receiver's own account (getStats).
    """

    frame_times: NDArray[np.float64]
    images: list[NDArray[np.uint8]]
    sound_start: float
    microphone: NDArray[np.float32]
    returned: NDArray[np.float32]
    reported_skews: NDArray[np.float64]


def record(page: Page, seconds: float, width: int = 320) -> Recording:
    """Records a running call; ``width`` 0 keeps only the times of the frames.

    The page must have been opened with ``bypass_csp``: its own policy allows no script from outside, this one included.
    """
    worklet = (FOLDER / "recorder_worklet.js").read_text()
    arguments = {"seconds": seconds, "width": width, "worklet": worklet}
    raw: dict[str, Any] = page.evaluate((FOLDER / "recorder.js").read_text(), arguments)
    frames: list[dict[str, Any]] = []
    for frame in raw["frames"]:  # a late compositor may show two frames at once: the eye sees the first only
        if not frames or frame["time"] > frames[-1]["time"] + 1:
            frames.append(frame)
    skews = [p["audio"] - p["video"] for p in raw["playout"] if p["audio"] and p["video"]]
    return Recording(
        frame_times=np.array([frame["time"] for frame in frames]),
        images=[_picture(frame["jpeg"]) for frame in frames if "jpeg" in frame],
        sound_start=raw["soundStart"],
        microphone=np.frombuffer(base64.b64decode(raw["microphone"]), np.float32),
        returned=np.frombuffer(base64.b64decode(raw["returned"]), np.float32),
        reported_skews=np.array(skews),
    )


def _picture(jpeg: str) -> NDArray[np.uint8]:
    encoded = np.frombuffer(base64.b64decode(jpeg), np.uint8)
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
