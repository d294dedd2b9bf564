"""The live recognizer does not import PyTorch, which would take two seconds and 300 MB."""

import subprocess
import sys

PROGRAM = """
import sys
import numpy as np
from styletalk_core.recognizer.stream import Recognizer, RecognizerStream, recognize

sound = np.random.default_rng(0).normal(scale=0.1, size=16_000).astype(np.float32)
columns = recognize(RecognizerStream(Recognizer.load()), sound).posteriors
assert columns.shape == (51, 41), columns.shape
assert "torch" not in sys.modules and "onnxruntime" not in sys.modules
"""


def test_a_second_of_audio_is_recognized_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
