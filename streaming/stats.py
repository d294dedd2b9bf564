"""What a session counts. Pure."""

from dataclasses import dataclass

from streaming.media import Tick


@dataclass(slots=True)
class SessionStats:
    """Counters since the start."""

    fresh: int = 0
    """Pictures shown that were made for their frame."""
    repeated: int = 0
    """Frames that showed the last picture again."""
    late: int = 0
    """Frames whose own picture came too late or was never made."""
    half_rate: int = 0
    """Frames left out on purpose under overload."""
    packets: int = 0
    """Sound packets played."""
    concealed: Tick = 0
    """Ticks of sound that never came."""
    slips: int = 0

    @property
    def late_share(self) -> float:
        return self.late / max(1, self.fresh + self.late)
