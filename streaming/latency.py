"""Latency budget: the delay D between capture and playback of a sample, computed from the look-aheads in use.

Pure. A frame is ready after the sum of named parts. Its audio is sent slightly earlier, because receivers buffer audio
longer than video. D may grow while the machine is overloaded (`elastic_delay.py`).
"""

from dataclasses import dataclass

from streaming.units import CONTEXT, FRAME_TICKS, PACKET_TICKS, TICK_RATE, Tick


@dataclass(frozen=True, slots=True)
class LatencyPlan:
    """Parts of the delay, in ticks.

    Attributes:
        recognizer: from the first sample of a hop until its phone column is available.
        future_frames: look-ahead in frames of phone context after the decoded frame (0..5).
        receive: allowance for reordered or late microphone packets, and for recognizing them. Hops and packets have
            the same length and boundaries, so waiting for the end of a packet adds nothing.
        budget: from the start of decoding until the frame must be ready: batch wait, decode, render.
        renderer_frames: look-ahead in frames of motion, for renderers that draw a frame from those around it.
        frame_lag: time by which a frame goes to the encoder after its audio. Browsers buffer audio about 20 ms longer
            than video and do not correct differences below 30 ms.
    """

    recognizer: Tick
    future_frames: int = 2
    receive: Tick = PACKET_TICKS
    budget: Tick = 2_400
    frame_lag: Tick = 720
    renderer_frames: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.future_frames <= CONTEXT:
            raise ValueError(f"future_frames must be 0 to {CONTEXT}, not {self.future_frames}")

    @property
    def look_ahead(self) -> Tick:
        """By how much the newest phone in use is later than the frame that is drawn."""
        return (self.future_frames + self.renderer_frames) * FRAME_TICKS

    @property
    def phone_column(self) -> Tick:
        """From the start of a frame to its centre, the latest start of the hop that provides its phone."""
        return FRAME_TICKS // 2

    @property
    def delay(self) -> Tick:
        """D in ticks, rounded up to a whole millisecond."""
        parts = self.receive + self.phone_column + self.recognizer + self.look_ahead + self.budget - self.frame_lag
        millisecond = TICK_RATE // 1000
        return -(-parts // millisecond) * millisecond

    @property
    def preroll(self) -> Tick:
        """From the start of the clock to playback of tick 0: time to render the first frame."""
        return FRAME_TICKS + self.budget - self.frame_lag

    def parts(self) -> dict[str, float]:
        """Part name to milliseconds; up to rounding, the values sum to D plus the frame lag."""
        ticks = {
            "receive": self.receive,
            "phone column": self.phone_column,
            "recogniser": self.recognizer,
            "look-ahead": self.look_ahead,
            "decode and render": self.budget,
        }
        return {name: round(value * 1000 / TICK_RATE, 1) for name, value in ticks.items()}
