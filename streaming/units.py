"""Units of time and constants of a session.

Defines the tick (1/48000 s) and the integer rates derived from it. Pure: no I/O, no clock.
"""

from typing import Final

Tick = int
"""Time in 1/48000 s, counted from the first sample of the session's microphone clock."""


TICK_RATE: Final = 48_000


PACKET_TICKS: Final = 960  # 20 ms, one Opus packet


FRAME_TICKS: Final = 1_600  # one video frame at 30 fps


STEP_TICKS: Final = 800
"""Grid of frame start times, so that frames at 30, 20, 15 and 10 fps are all evenly spaced."""


MODEL_SAMPLE_TICKS: Final = 3  # one sample at 16 kHz


HOP_TICKS: Final = 960  # one recognizer column, 20 ms


PHONES: Final = 41
"""Symbols in a phone column, in the order of `styletalk_core.phones`."""


SILENCE: Final = 31
"""Index of the silence symbol."""


CONTEXT: Final = 5
"""Frames of phone context on each side of the decoded frame."""


WINDOW: Final = 2 * CONTEXT + 1

if TICK_RATE % FRAME_TICKS or TICK_RATE % PACKET_TICKS or FRAME_TICKS % STEP_TICKS:
    raise AssertionError("one second must be a multiple of frame and packet, and a frame a multiple of the step")


FULL_SCALE = 32_768.0
