"""The figures of a whole soak, and which of them are beyond their limits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from live_soak.clients import PresenterCounts, ViewerCounts
from live_soak.server import ServerPart
from live_soak.streams import TrackPair
from server.lab.benchmarks.churn import Belongings
from server.lab.benchmarks.machine import LOADED_SHARE

MAX_DRIFT_MS = 20.0
"""Between picture and sound, and of the microphone's buffer; half a frame is 17 ms."""
MAX_GROWTH_MB = 20.0
MAX_LATE_SHARE = 0.01
MAX_OWN_BLOCK_MS = 20.0
MAX_LOST_SHARE = 0.001
SETTLED_PARTS = 3
"""Caches fill in the parts before."""


@dataclass(frozen=True, slots=True)
class SoakPart:
    """A part of the soak, as the server and the clients that stay see it; ``pairs`` by client."""

    server: ServerPart
    pairs: dict[str, TrackPair]


@dataclass(frozen=True, slots=True)
class SoakResult:
    """The figures of the whole soak.

    Attributes:
        av_drift_ms: change of picture after sound on arrival from the first third of the time to the last, by client.
        report_drift_ms: the same within the last call by the sender reports, from which a player aligns lips.
        microphone_drift_ms: the same change of the age of the caller's newest audio.
        late_share, fps: by session.
        growth_mb: memory after the last part less after the parts in which caches fill.
        left: resources that the server holds in excess of before the first client, after the last has left.
        calls: number of calls of each client that should need one.
        lost_share: packets that never arrived.
        max_gap_s: longest time without a new frame, by client.
    """

    minutes: float
    av_drift_ms: dict[str, float]
    report_drift_ms: dict[str, float]
    microphone_drift_ms: float
    late_share: dict[str, float]
    fps: dict[str, float]
    slips: int
    calls: dict[str, int]
    growth_mb: float
    memory_mb: float
    left: dict[str, int]
    lost_share: float
    max_gap_s: dict[str, float]
    loop_own_max_ms: float
    loop_block_max_ms: float
    loop_block_p99_ms: float
    presenter: PresenterCounts
    viewers: ViewerCounts


def result_of(
    seconds: float,
    parts: Sequence[SoakPart],
    holdings: tuple[Belongings, Belongings],
    presenter: PresenterCounts,
    viewers: ViewerCounts,
) -> SoakResult:
    """Put the parts together; ``holdings`` are what the server held before the first client and after the last."""
    first, last = parts[0], parts[-1]
    settled = parts[min(SETTLED_PARTS, len(parts)) - 1]
    before, after = holdings
    fresh, late = _grown(parts, "fresh"), _grown(parts, "late")
    packets = sum(pair.packets for pair in last.pairs.values())
    return SoakResult(
        minutes=round(seconds / 60, 2),
        av_drift_ms={n: _drift([part.pairs[n].skew_ms for part in parts]) for n in first.pairs},
        report_drift_ms={n: _report_drift([part.pairs[n] for part in parts]) for n in first.pairs},
        microphone_drift_ms=_drift([part.server.microphone_lag_ms for part in parts]),
        late_share={name: round(late[name] / max(1, fresh[name] + late[name]), 5) for name in fresh},
        fps={name: round(count / seconds * len(parts) / max(1, len(parts) - 1), 2) for name, count in fresh.items()},
        slips=sum(_grown(parts, "slips").values()),
        calls={name: pair.call for name, pair in last.pairs.items()},
        growth_mb=round(last.server.holds.memory_mb - settled.server.holds.memory_mb, 1),
        memory_mb=last.server.holds.memory_mb,
        left={
            "tasks": after.tasks - before.tasks,
            "threads": after.threads - before.threads,
            "descriptors": after.descriptors - before.descriptors,
            "slots": before.free_slots - after.free_slots,
        },
        lost_share=round(sum(pair.lost for pair in last.pairs.values()) / max(1, packets), 6),
        max_gap_s={name: round(max(part.pairs[name].max_gap_s for part in parts), 3) for name in first.pairs},
        loop_own_max_ms=max(part.server.loop["loop_own_max_ms"] for part in parts),
        loop_block_max_ms=max(part.server.loop["loop_block_max_ms"] for part in parts),
        loop_block_p99_ms=max(part.server.loop["loop_block_p99_ms"] for part in parts),
        presenter=presenter,
        viewers=viewers,
    )


def _grown(parts: Sequence[SoakPart], figure: str) -> dict[str, int]:
    """Growth of a counter from the first part to the last, by session; a new session begins at zero."""
    names = sorted({name for part in parts for name in part.server.sessions})
    told = {name: [part.server.sessions[name] for part in parts if name in part.server.sessions] for name in names}
    values = {name: [getattr(counts, figure) for counts in found] for name, found in told.items()}
    return {name: sum(b - a if b >= a else b for a, b in pairwise(found)) for name, found in values.items()}


def _drift(values: Sequence[float]) -> float:
    """The median of the last third less that of the first; single parts under load say little."""
    known = [value for value in values if value == value]
    third = max(1, len(known) // 3)
    return round(median(known[-third:]) - median(known[:third]), 2) if len(known) > 1 else float("nan")


def _report_drift(pairs: Sequence[TrackPair]) -> float:
    return _drift([pair.report_skew_ms for pair in pairs if pair.call == pairs[-1].call])


def complaints(result: SoakResult, others_share: float) -> list[str]:
    """Return a few words for each figure beyond its limit.

    Where other programs took more than `LOADED_SHARE` of the machine, late frames, lost packets, calls that were cut
    and blocks (the loop waits for the interpreter lock of a thread that waits for a processor) are not judged.
    """
    found = [
        *_above(result.av_drift_ms, MAX_DRIFT_MS, "ms drift of picture against sound"),
        *_above(result.report_drift_ms, MAX_DRIFT_MS, "ms drift in the sender reports"),
        *_above({"caller": result.microphone_drift_ms}, MAX_DRIFT_MS, "ms drift of the microphone"),
        *_above({"server": result.growth_mb}, MAX_GROWTH_MB, "MB of growth"),
    ]
    if others_share <= LOADED_SHARE:
        found += [f"{name}: {count} calls instead of one" for name, count in result.calls.items() if count > 1]
        found += _above(result.late_share, MAX_LATE_SHARE, "of the frames late")
        found += _above({"server": result.loop_own_max_ms}, MAX_OWN_BLOCK_MS, "ms of one block of the event loop")
        found += _above({"clients": result.lost_share}, MAX_LOST_SHARE, "of the packets lost")
    found += [f"{count} {name} left" for name, count in result.left.items() if count > 0]
    found += [*result.presenter.errors, *result.viewers.failures]
    return found


def _above(values: Mapping[str, float], limit: float, words: str) -> list[str]:
    return [
        f"{name}: {value:g} {words} (limit {limit:g})"
        for name, value in values.items()
        if not abs(value) <= limit  # not a number is no proof
    ]
