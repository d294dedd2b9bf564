"""The figures of a running server in the Prometheus text format.

Pure but for reading counters.
"""

from collections.abc import Iterator

from server.service import Service

Sample = tuple[str, str, str, float]


def samples(service: Service) -> Iterator[Sample]:
    """(name, kind, labels, value) of every figure."""
    worker, visitors = service.worker, service.visitors
    calls = visitors.calls()
    yield "styletalk_ready", "gauge", "", float(worker.ready)
    yield "styletalk_sessions", "gauge", "", len(calls)
    yield "styletalk_sessions_max", "gauge", "", worker.slots
    yield "styletalk_sessions_total", "counter", "", visitors.served
    yield "styletalk_sessions_failed_total", "counter", "", visitors.failed
    yield "styletalk_overload_level", "gauge", "", worker.level
    yield "styletalk_device_busy_share", "gauge", "", round(worker.busy_share, 4)
    for name, timing in worker.timings().items():
        label = f'{{stage="{name}"}}'
        yield "styletalk_stage_wait_ms", "gauge", label, round(timing.wait_p50, 3)
        yield "styletalk_stage_run_ms", "gauge", label, round(timing.run_p50, 3)
        yield "styletalk_stage_run_p95_ms", "gauge", label, round(timing.run_p95, 3)
        yield "styletalk_stage_batch", "gauge", label, round(timing.batch, 2)
    for field in ("fresh", "repeated", "late", "half_rate", "packets", "slips"):
        total = sum(getattr(call.session.stats, field) for call in calls)
        yield "styletalk_frames" if field != "packets" else "styletalk_packets", "gauge", f'{{kind="{field}"}}', total
    yield "styletalk_microphone_lost", "gauge", "", sum(call.microphone.lost for call in calls)


def exposition(service: Service) -> str:
    """All figures as text."""
    lines: list[str] = []
    announced: set[str] = set()
    for name, kind, labels, value in samples(service):
        if name not in announced:
            announced.add(name)
            lines.append(f"# TYPE {name} {kind}")
        lines.append(f"{name}{labels} {value:g}")
    return "\n".join(lines) + "\n"
