"""Session slots of a worker: leased, free, or being cleared.

Pure. A lease carries a generation number, so that late results of an ended session are discarded.
"""

from dataclasses import dataclass

from streaming.errors import WorkerFull


@dataclass(frozen=True, slots=True)
class SlotLease:
    """Lease of ``slot``; results of an older generation are discarded."""

    slot: int
    generation: int


class Slots:
    """``count`` numbered slots."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._generation = 0
        self._leases: dict[int, SlotLease] = {}
        self._clearing: set[int] = set()

    @property
    def free(self) -> int:
        return self.count - len(self._leases) - len(self._clearing)

    @property
    def used(self) -> int:
        """Number of leased slots."""
        return len(self._leases)

    def take(self) -> SlotLease:
        """Leases the lowest free slot.

        Raises:
            WorkerFull: no slot is free.
        """
        if not self.free:
            raise WorkerFull(f"{self.used} of {self.count} sessions are in use")
        slot = min(set(range(self.count)) - self._leases.keys() - self._clearing)
        self._generation += 1
        lease = self._leases[slot] = SlotLease(slot, self._generation)
        return lease

    def holds(self, lease: SlotLease) -> bool:
        """True until the lease is returned."""
        return self._leases.get(lease.slot) == lease

    def give_back(self, lease: SlotLease) -> None:
        """Ends the lease; the slot is free again after `cleared`."""
        del self._leases[lease.slot]
        self._clearing.add(lease.slot)

    def cleared(self, lease: SlotLease) -> None:
        """Frees a slot whose state the engine has discarded."""
        self._clearing.discard(lease.slot)

    def forget_all(self) -> None:
        """Frees all slots, when the worker stops or restarts."""
        self._leases.clear()
        self._clearing.clear()
