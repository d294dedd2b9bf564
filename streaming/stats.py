"""What a session counts. Pure."""

from dataclasses import dataclass

from streaming.frames.elastic_delay import DelaySeen
from streaming.units import Tick


@dataclass(slots=True)
class SessionStats:
    """Counters since the start."""

    delay: DelaySeen
    """The delay D."""
    fresh: int = 0
    """Pictures that left in time."""
    overdue: int = 0
    """Pictures that left late."""
    missing: int = 0
    """Pictures of the frame rate in force that were never made."""
    left_out: float = 0.0
    """Frames at 30 a second that a lower rate has left out on purpose."""
    size_changes: int = 0
    """Times that the picture has become smaller or larger."""
    packets: int = 0
    """Sound packets played."""
    concealed: Tick = 0
    """Ticks of sound that never came."""
    slips: int = 0

    @property
    def shown(self) -> int:
        """Pictures that left."""
        return self.fresh + self.overdue

    @property
    def late(self) -> int:
        """Frames whose picture left late or was never made."""
        return self.overdue + self.missing

    @property
    def late_share(self) -> float:
        return self.late / max(1, self.fresh + self.late)
