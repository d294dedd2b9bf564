"""The places of a worker: who holds which, and which are still being cleared.

Pure. A lease carries a generation, so that a result of a session that has ended finds nobody.
"""

from dataclasses import dataclass

from streaming.errors import WorkerFull


@dataclass(frozen=True, slots=True)
class SlotLease:
    """The right to use ``slot`` until it is released; a result of an older generation is thrown away."""

    slot: int
    generation: int


class Slots:
    """``count`` numbered places."""

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
        """Places that are leased."""
        return len(self._leases)

    def take(self) -> SlotLease:
        """Leases the lowest free place.

        Raises:
            WorkerFull: there is none.
        """
        if not self.free:
            raise WorkerFull(f"{self.used} of {self.count} sessions are in use")
        slot = min(set(range(self.count)) - self._leases.keys() - self._clearing)
        self._generation += 1
        lease = self._leases[slot] = SlotLease(slot, self._generation)
        return lease

    def holds(self, lease: SlotLease) -> bool:
        """True until the lease is given back."""
        return self._leases.get(lease.slot) == lease

    def give_back(self, lease: SlotLease) -> None:
        """Ends the lease; the place is free again after `cleared`."""
        del self._leases[lease.slot]
        self._clearing.add(lease.slot)

    def cleared(self, lease: SlotLease) -> None:
        """The engine has forgotten what was in the place."""
        self._clearing.discard(lease.slot)

    def forget_all(self) -> None:
        """Every place is free; for a worker that stops or starts anew."""
        self._leases.clear()
        self._clearing.clear()
