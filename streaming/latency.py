"""The delay D between a spoken sample and its playback, computed from the look-aheads in use.

Pure. A picture is ready after the sum of named parts. Its sound leaves a little earlier, because receivers hold sound
longer than pictures. While the machine is busy with other things D may grow (`elastic_delay.py`).
"""

from dataclasses import dataclass

from streaming.units import CONTEXT, FRAME_TICKS, PACKET_TICKS, TICK_RATE, Tick


@dataclass(frozen=True, slots=True)
class LatencyPlan:
    """Where the delay goes, in ticks.

    Attributes:
        recognizer: from the first sample of a hop to the moment its column is out.
        future_frames: frames of phone context after the decoded frame that are waited for (0..5).
        receive: allowance for reordered or late microphone packets, and for recognizing them. A hop is a packet, cut
            at the same places, so that waiting for a packet's end costs nothing more.
        budget: from the start of a frame's decoding until its picture must be there: batch wait, decode, render.
        frame_lag: how much later than the sound of its frame a picture goes to the encoder. Browsers hold sound about
            20 ms longer than pictures and leave differences below 30 ms as they are.
    """

    recognizer: Tick
    future_frames: int = 2
    receive: Tick = PACKET_TICKS
    budget: Tick = 2_400
    frame_lag: Tick = 720

    def __post_init__(self) -> None:
        if not 0 <= self.future_frames <= CONTEXT:
            raise ValueError(f"future_frames must be 0 to {CONTEXT}, not {self.future_frames}")

    @property
    def phone_column(self) -> Tick:
        """From the start of a frame to its centre, where the hop that gives its phone has begun at the latest."""
        return FRAME_TICKS // 2

    @property
    def delay(self) -> Tick:
        """D in ticks, rounded up to a whole millisecond."""
        parts = (
            self.receive
            + self.phone_column
            + self.recognizer
            + self.future_frames * FRAME_TICKS
            + self.budget
            - self.frame_lag
        )
        millisecond = TICK_RATE // 1000
        return -(-parts // millisecond) * millisecond

    @property
    def preroll(self) -> Tick:
        """From the start of the clock to its tick 0: time to make the first picture."""
        return FRAME_TICKS + self.budget - self.frame_lag

    def parts(self) -> dict[str, float]:
        """Name to milliseconds; the values add up to D and the picture's lag (but for the rounding)."""
        ticks = {
            "receive": self.receive,
            "phone column": self.phone_column,
            "recogniser": self.recognizer,
            "look-ahead": self.future_frames * FRAME_TICKS,
            "decode and render": self.budget,
        }
        return {name: round(value * 1000 / TICK_RATE, 1) for name, value in ticks.items()}
