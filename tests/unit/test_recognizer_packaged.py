"""The packaged recogniser: what it must do with speech, with silence and with broken sound."""


import numpy as np
import pytest

from styletalk_core.phones import SIL_INDEX
from styletalk_core.recognizer.noise import NOISES
from styletalk_core.recognizer.stream import Recognizer, RecognizerStream, frame_labels, recognize


@pytest.mark.parametrize("kind", ["white", "keyboard", "breath", "hum", "coloured"])
def test_the_mouth_stays_shut_when_nobody_speaks(kind: str) -> None:
    sound = NOISES[kind](np.random.default_rng(5), 10 * 16_000)
    labels = frame_labels(recognize(RecognizerStream(Recognizer.load()), sound), 300)
    assert (labels == SIL_INDEX).mean() >= 0.95
