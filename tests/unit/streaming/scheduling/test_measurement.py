"""Proves that every stage is measured by the engine's clock, at every size, with moving frames."""

import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from numpy.typing import NDArray

from streaming.scheduling.measurement import measure

SIZES = (64, 32)


class Priced(DeterministicEngine):
    """Its clock moves by what its work costs, with a stall now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.calls_made = 0

    def worked(self) -> float:
        return self.clock

    def spend(self, seconds: float) -> None:
        self.calls_made += 1
        self.clock += seconds * (20 if self.calls_made % 4 == 0 else 1)

    def recognize(self, slots, audio):  # type: ignore[no-untyped-def]
        self.spend(0.002)
        return super().recognize(slots, audio)

    def decode(self, slots, posteriors):  # type: ignore[no-untyped-def]
        self.spend(0.002)
        return super().decode(slots, posteriors)

    def render(self, slots, *motion):  # type: ignore[no-untyped-def]
        self.spend(0.0001 * self.slots[slots[0]].size)
        return super().render(slots, *motion)


def test_stalls_do_not_move_what_the_stages_cost() -> None:
    engine, encoded = Priced(), dict.fromkeys(SIZES, 0)

    def encoder_of(size: int):  # type: ignore[no-untyped-def]
        def encode(yuv: NDArray[np.uint8]) -> None:
            assert yuv.shape == (size * 3 // 2, size)
            encoded[size] += 1
            engine.spend(0.0005)

        return encode

    costs = measure(engine, SIZES, encoder_of)
    assert costs.recognize == pytest.approx(0.05) and costs.decode == pytest.approx(0.002)
    assert costs.render == pytest.approx({64: 0.0064, 32: 0.0032})
    assert costs.encode == pytest.approx({64: 0.0005, 32: 0.0005})
    assert min(encoded.values()) >= 15 and not engine.slots, "nothing is left behind"
