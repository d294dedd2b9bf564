"""Prometheus metrics of a running server.

Runs on: event loop; a scrape reads counters and computes nothing but medians.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.service import Service
from server.sessions.live_session import LiveSession
from streaming.media import to_ms
from streaming.scheduling.jobs import JobKind

CAUGHT = (*(kind.value for kind in JobKind), "http", "channel", "upload")
FRAMES = ("fresh", "overdue", "missing", "left_out")


class _Figures:
    """Collector of the metrics of one service, read at scrape time."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        """Describes nothing in advance: stages appear when they first run."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        service = self._service
        worker, clients = service.worker, service.clients
        calls, live_sessions = clients.microphone_sessions(), clients.sessions()
        yield _gauge("ready", "1 while the models are warm", worker.ready)
        yield _gauge("draining", "1 once no more calls are accepted", service.draining)
        yield _gauge("sessions", "Active calls and presentations", len(live_sessions))
        yield _gauge("sessions_max", "Maximum number of simultaneous calls", worker.slots)
        yield _gauge("viewers", "Viewers of presenters", sum(len(on.viewers.by_id) for on in live_sessions))
        yield _gauge("control_channels", "Open control channels", clients.channels)
        yield _counter("sessions_served", "Answered calls", clients.served)
        yield _counter("sessions_failed", "Calls that ended because the engine failed", clients.failed)
        yield from self._quality(live_sessions)
        yield _gauge(
            "device_busy_share", "Share of the last two seconds in which the models ran", worker.ladder.busy_share
        )
        yield from self._stages()
        errors = CounterMetricFamily(
            "styletalk_internal_errors", "Unexpected errors; the log has their tracebacks", labels=["where"]
        )
        for where, count in (dict.fromkeys(CAUGHT, 0) | worker.failures() | service.internal_errors).items():
            errors.add_metric([where], count)
        yield errors
        frames = GaugeMetricFamily("styletalk_frames", "Frames of the active calls", labels=["kind"])
        for kind in FRAMES:
            frames.add_metric([kind], sum(getattr(session.media_session.stats, kind) for session in live_sessions))
        yield frames
        yield _gauge(
            "slips", "Times the calls' clocks have slipped", sum(c.media_session.stats.slips for c in live_sessions)
        )
        yield _gauge(
            "packets",
            "Audio packets of the active calls",
            sum(c.media_session.stats.packets for c in live_sessions),
        )
        yield _gauge("microphone_lost", "Lost microphone packets", sum(c.audio_receiver.lost for c in calls))

    def _quality(self, live_sessions: list[LiveSession]) -> Iterator[Metric]:
        """Yields the frame size and rate, now and without overload."""
        worker, sessions = self._service.worker, [live_session.media_session for live_session in live_sessions]
        ladder, best = worker.ladder, worker.plan.best
        added = max((session.added_delay for session in sessions), default=0)
        yield _gauge("overload_level", "Rung of the overload ladder, 0 for the best", ladder.level)
        yield _gauge("picture_size", "Width and height of frames in pixels", ladder.rung.size)
        yield _gauge("picture_size_planned", "The same when there is no overload", best.size)
        yield _gauge("frame_rate", "Frames per second", ladder.rung.frame_rate)
        yield _gauge("frame_rate_planned", "The same when there is no overload", best.frame_rate)
        yield _gauge("admits", "1 while the overload ladder admits new calls", ladder.rung.admits)
        yield _gauge("slowness", "Duration of work relative to its measurement at start", ladder.slowness)
        yield _counter("quality_changes", "Steps on the overload ladder", ladder.changes)
        yield _gauge("added_delay_ms", "Largest added delay of a call", to_ms(added))
        yield _gauge("size_changes", "Frame size changes in active calls", sum(s.stats.size_changes for s in sessions))

    def _stages(self) -> Iterator[Metric]:
        wait, run, slowest, batch = (
            GaugeMetricFamily(f"styletalk_stage_{name}", text, labels=["stage"])
            for name, text in (
                ("wait_ms", "Median wait of a batch for the device"),
                ("run_ms", "Median time of a batch on the device"),
                ("run_p95_ms", "95th percentile of the same"),
                ("batch", "Mean jobs in a batch"),
            )
        )
        for name, timing in self._service.worker.timings().items():
            wait.add_metric([name], timing.wait_p50)
            run.add_metric([name], timing.run_p50)
            slowest.add_metric([name], timing.run_p95)
            batch.add_metric([name], timing.batch)
        yield from (wait, run, slowest, batch)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"styletalk_{name}", text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"styletalk_{name}", text, value=float(value))


def exposition(service: Service) -> bytes:
    """Returns all metrics in the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Figures(service))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
