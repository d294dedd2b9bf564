"""Proves that stage timings are medians in milliseconds per kind of job."""

from streaming.scheduling.jobs import JobKind
from streaming.scheduling.timing import StageTimings


def test_the_summary_has_one_entry_per_kind_by_its_name() -> None:
    timings = StageTimings()
    for run in (0.001, 0.002, 0.009):
        timings.add(JobKind.DECODE, wait=0.0005, run=run, jobs=2)
    timings.add(JobKind.RENDER, 0.0, 0.004, 1)
    summary = timings.summary()
    assert set(summary) == {"decoder", "renderer"}
    decoder = summary["decoder"]
    assert (decoder.wait_p50, decoder.run_p50, decoder.batch) == (0.5, 2.0, 2.0)
    assert 2 < decoder.run_p95 <= 9
