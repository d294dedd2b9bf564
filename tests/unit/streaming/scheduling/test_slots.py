"""Proves that a slot has at most one lease at a time and is free only after it has been cleared."""

import pytest

from streaming.errors import WorkerFull
from streaming.scheduling.slots import Slots


def test_a_slot_is_free_again_when_it_has_been_cleared_and_its_old_lease_is_worthless() -> None:
    slots = Slots(2)
    first, second = slots.take(), slots.take()
    assert (first.slot, second.slot, slots.free) == (0, 1, 0)
    slots.give_back(first)
    with pytest.raises(WorkerFull, match="1 of 2"):
        slots.take()
    slots.cleared(first)
    again = slots.take()
    assert again.slot == first.slot and again != first
    assert slots.holds(again) and not slots.holds(first)


def test_forgetting_frees_everything() -> None:
    slots = Slots(3)
    leases = [slots.take() for _ in range(3)]
    slots.give_back(leases[0])
    slots.forget_all()
    assert slots.free == 3 and not any(slots.holds(lease) for lease in leases)
