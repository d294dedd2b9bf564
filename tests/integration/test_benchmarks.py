"""Proves that the benchmarks measure a running server, with real clients in separate processes and without models.

What they find does not matter here: the machine may be busy. Those that need a browser are not run.
"""

import argparse
from typing import Any

import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from live_server import FixedCatalogue
from numpy.typing import NDArray

from server.config import ServerConfig
from server.lab.benchmarks import batch, capacity, churn, live_server, presenter, soak
from server.lab.benchmarks.frame_costs import FrameCost
from server.service import Service
from streaming.scheduling.batch_worker import BatchWorker


class GrainyEngine(DeterministicEngine):
    """Its frames have as many bytes as those of a face."""

    def render(self, *wanted: Any) -> list[NDArray[np.uint8]]:
        random = np.random.default_rng(0)
        return [image + random.integers(0, 40, image.shape, np.uint8) for image in super().render(*wanted)]


def make_service(config: ServerConfig) -> Service:
    engine = GrainyEngine()
    return Service(config, BatchWorker(lambda: engine, config.max_sessions), FixedCatalogue())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deterministic engine, no claim on the processors, and no time to settle."""
    for module in (batch, live_server):
        monkeypatch.setattr(module, "make_service", make_service)
        monkeypatch.setattr(module, "raise_priority", lambda: None)
    monkeypatch.setattr(batch, "measure_costs", lambda *_: [FrameCost("decoder", 1, 1.5, 2.0, 666.7)])
    for module in (batch, capacity, presenter, soak):
        monkeypatch.setattr(module, "SETTLE_SECONDS", 0.3)


def run(module: Any, **options: Any) -> dict[str, Any]:
    result: dict[str, Any] = module.run(argparse.Namespace(**options, size=256, json=False))
    return result


def test_capacity_adds_clients_until_all_slots_are_taken_and_the_next_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "FULL_RATE", 1.0)
    monkeypatch.setattr(capacity, "LATE_SHARE", 1.0)
    result = run(capacity, motion_weights="", seconds=2, most=1)
    assert result["sessions"] == 1 and result["next_refused"] is True
    assert 1 < result["fps"] < 40 and result["cpu_per_session"] > 0
    assert [step["sessions"] for step in result["steps"]] == [1]
    assert "1 x 256: " in capsys.readouterr().out


def test_capacity_ends_where_the_frame_rate_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "FULL_RATE", 1000.0)
    result = run(capacity, motion_weights="", seconds=2, most=4)
    assert result["sessions"] == 0 and len(result["steps"]) == 1 and "next_refused" not in result


def test_a_presenter_is_rendered_once_however_many_watch() -> None:
    result = run(presenter, viewers=1, seconds=1.5)
    assert len(result["cpu"]) == len(result["renders_per_second"]) == 2
    assert all(0 < rate < 40 for rate in result["renders_per_second"])


def test_clients_that_come_and_go_free_their_slots(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(churn, "WARM_UP_CYCLES", 1)
    result = run(churn, cycles=2, together=1)
    assert (result["cycles"], result["slots_left"]) == (2, 0) and result["seconds_per_cycle"] > 0
    assert "slots_left" in capsys.readouterr().out


def test_a_call_is_soaked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(soak, "MIN_MINUTES", 0.0)
    result = run(soak, minutes=0.05)
    assert {"drift_ms", "rss_growth_mb", "late_share", "loop_block_p99_ms"} <= result.keys()
    assert 1 < result["fps"] < 40 and abs(result["drift_ms"]) < 1000
    assert "drift_ms" in capsys.readouterr().out


def test_sessions_that_share_a_device_are_measured_one_number_after_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = run(batch, device="auto", sessions=[1, 2], seconds=2, motion_weights="", costs_only=False)
    assert [step["sessions"] for step in result["steps"]] == [1, 2]
    assert all(0 <= step["late_share"] <= 1 and step["decoder_batch"] >= 1 for step in result["steps"])
    assert [cost["stage"] for cost in result["costs"]] == ["decoder"]
    said = capsys.readouterr().out
    assert "2 x 256: " in said and "1 x decoder: 1.5 ms per frame" in said
