"""Composes decoded motion of a whole clip as a call does, frame by frame, with the same composer.

Runs on: any thread; pure, the same for the same input.
"""

from typing import Final

import numpy as np

from streaming.frames.composer import Composer
from streaming.frames.pipeline import SPEECH_AHEAD
from streaming.units import FRAME_TICKS
from styletalk_core.lab.evaluation.clip import SelfDrivenClip
from styletalk_core.lab.evaluation.judgement import Float, ShownMotion, spoken_frames
from styletalk_core.library.style_motion import StyleMotion

_SEED: Final = 0


def compose(decoded: Float, clip: SelfDrivenClip, style: StyleMotion) -> ShownMotion:
    """Return what a call shows of decoded coefficients (T, 64) of a clip that is said in a style."""
    spoken = np.concatenate([spoken_frames(clip.motion), np.zeros(SPEECH_AHEAD, np.bool_)])
    level = 10 ** (clip.loudness / 20)
    composer = Composer(_SEED)
    composer.follow(style, 0.0)
    frames = [
        composer.compose(
            index * FRAME_TICKS, 0, expression, bool(spoken[index : index + SPEECH_AHEAD].any()), float(level[index])
        )
        for index, expression in enumerate(decoded)
    ]
    return ShownMotion(
        np.stack([frame.expression for frame in frames]),
        np.stack([frame.pose for frame in frames]),
        np.stack([frame.gaze for frame in frames]),
        np.array([frame.blink for frame in frames], np.float32),
    )
