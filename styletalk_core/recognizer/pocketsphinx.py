"""Back end `pocketsphinx`: phone loop with the acoustic model of its wheel; a slow and coarse baseline.

Every 100 ms the best path is read up to half a second before the end of the audio, where it rarely changes any more.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder, get_model_path

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.phones import INDEX, NSN_INDEX, PHONES, SIL_INDEX
from styletalk_core.recognizer.stream import COLUMN_TICKS, STEP_SAMPLES, Recognition

LAG_STEPS: Final = 25
"""Look-ahead of a column in 20 ms steps."""
READING_STEPS: Final = 5
RESTART_STEPS: Final = 750
"""Steps after which the decoder restarts (15 s), to keep reading the path cheap."""
FRAME_RATE: Final = 100
LABEL_LAG: Final = 0.014
"""Seconds by which the official labels lag behind the centre of the decoder's frames."""


class PocketsphinxRecognizer:
    """Implements `PhoneRecognizer`; columns are one-hot."""

    def __init__(self) -> None:
        self._decoder = Decoder(
            allphone=get_model_path("en-us/en-us-phone.lm.bin"),
            lm=None,
            lw=2.0,
            beam=1e-20,
            pbeam=1e-10,
            loglevel="FATAL",
        )
        self._pending = np.zeros(0, np.int16)
        self._columns = 0
        self._begin()

    @property
    def delay_ticks(self) -> int:
        """Maximum ticks from the start of a column to its output."""
        return (LAG_STEPS + READING_STEPS) * COLUMN_TICKS

    def reset(self) -> None:
        """Resets the state; tick 0 is the next sample."""
        self._decoder.end_utt()
        self._pending = np.zeros(0, np.int16)
        self._columns = 0
        self._begin()

    def push(self, samples: NDArray[np.float32]) -> Recognition:
        """Processes (n,) float32 16 kHz samples; returns the new columns, possibly none."""
        heard = (np.clip(np.nan_to_num(samples), -1, 1) * 32767).astype(np.int16)
        self._pending = np.concatenate([self._pending, heard])
        piece = READING_STEPS * STEP_SAMPLES
        first, ids = self._columns, []
        while len(self._pending) >= piece:
            self._decoder.process_raw(self._pending[:piece].tobytes())
            self._pending = self._pending[piece:]
            self._steps += READING_STEPS
            ids.append(self._read(self._steps - LAG_STEPS))
            if self._steps >= RESTART_STEPS:
                ids.append(self._read(self._steps))
                self._decoder.end_utt()
                self._begin()
        return _recognition(first, ids)

    def flush(self) -> Recognition:
        """Returns the columns of all audio received so far."""
        first = self._columns
        if len(self._pending):
            self._decoder.process_raw(self._pending.tobytes())
        self._steps += -(-len(self._pending) // STEP_SAMPLES)
        self._decoder.end_utt()
        ids = [self._read(self._steps)]
        self._pending = np.zeros(0, np.int16)
        self._begin()
        return _recognition(first, ids)

    def _begin(self) -> None:
        self._steps = self._read_steps = 0
        self._decoder.start_utt()

    def _read(self, until: int) -> NDArray[np.int64]:
        """Return the phone ids of columns not read yet, up to step ``until`` of this utterance."""
        frames = np.full(2 * self._steps + 8, SIL_INDEX)
        for segment in self._decoder.seg() or ():
            name = segment.word
            frames[segment.start_frame : segment.end_frame + 1] = (
                NSN_INDEX if name.startswith("+") else INDEX.get(name, SIL_INDEX)
            )
        steps = np.arange(self._read_steps, max(until, self._read_steps))
        places = np.rint(((steps + 0.5) * STEP_SAMPLES / SPEECH_RATE - LABEL_LAG) * FRAME_RATE).astype(int)
        self._read_steps += len(steps)
        self._columns += len(steps)
        return np.asarray(frames[np.clip(places, 0, len(frames) - 1)], np.int64)


def _recognition(first: int, ids: list[NDArray[np.int64]]) -> Recognition:
    """Returns one-hot columns from step ``first`` on."""
    flat = np.concatenate([np.zeros(0, np.int64), *ids])
    columns = np.eye(len(PHONES), dtype=np.float32)[flat]
    return Recognition(first * COLUMN_TICKS, COLUMN_TICKS, columns, flat != SIL_INDEX)
