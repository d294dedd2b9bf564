"""Session statistics. Pure."""

from dataclasses import dataclass

from streaming.frames.elastic_delay import DelaySeen
from streaming.units import Tick


@dataclass(slots=True)
class SessionStats:
    """Counters since the start."""

    delay: DelaySeen
    """The delay D."""
    fresh: int = 0
    """Frames sent on time."""
    overdue: int = 0
    """Frames sent late."""
    missing: int = 0
    """Frames of the current frame rate that were never rendered."""
    left_out: float = 0.0
    """Frames at 30 fps skipped deliberately by a lower frame rate."""
    size_changes: int = 0
    """Number of frame size changes."""
    packets: int = 0
    """Audio packets played."""
    concealed: Tick = 0
    """Ticks of audio that never arrived."""
    slips: int = 0

    @property
    def shown(self) -> int:
        """Frames sent."""
        return self.fresh + self.overdue

    @property
    def late(self) -> int:
        """Frames sent late or never rendered."""
        return self.overdue + self.missing

    @property
    def late_share(self) -> float:
        return self.late / max(1, self.fresh + self.late)
