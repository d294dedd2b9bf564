"""Number of CPU cores available to this program, and number of idle ones.

Runs on: any thread. A container's limit may be a fraction of a core; Linux keeps it in the control groups, version 1
or 2, of this process or any parent group. Other systems report only their number of cores.
"""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from streaming.clock import monotonic

GROUPS: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")
STATISTICS: Final = Path("/proc/stat")
SECONDS_BETWEEN_LOOKS: Final = 0.5


def available_cores() -> float:
    """Return the cores that this program may use: its CPU affinity or the limit of its control groups."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(float(allowed), quota(GROUPS, _read(MEMBERSHIP)))


def quota(groups: Path, membership: str) -> float:
    """Return the strictest limit of the control groups, in cores; infinite without one.

    Args:
        groups: mount point of the control groups.
        membership: text of /proc/self/cgroup, lines of ``number:controllers:path``.
    """
    limits = [float("inf")]
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += [limit_v2(_read(groups / group / "cpu.max")) for group in _upwards(path)]
        elif "cpu" in controllers.split(","):
            for mount in (groups / "cpu", groups / controllers):
                for group in _upwards(path):
                    files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                    limits.append(limit_v1(*(_read(mount / group / name) for name in files)))
    return min(limits)


def limit_v2(cpu_max: str) -> float:
    """Return the limit of a ``cpu.max`` file: "50000 100000" is half a core; "max 100000" or no file is no limit."""
    return limit_v1(*cpu_max.split()[:2]) if len(cpu_max.split()) == 2 else float("inf")


def limit_v1(quota_us: str, period_us: str) -> float:
    """Return the limit of ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``; infinite unless the quota is positive."""
    if not quota_us.strip().isdigit() or not period_us.strip().isdigit() or int(quota_us) == 0 or int(period_us) == 0:
        return float("inf")
    return int(quota_us) / int(period_us)


def _upwards(path: str) -> list[str]:
    """Return a group and its parents, relative to the mount; a container may see its own group as the root."""
    group = PurePosixPath(path.lstrip("/"))
    return [str(group), *map(str, group.parents)]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


class SpareProcessors:
    """Measures the number of idle cores; None where the system does not report it.

    Args:
        read: text of /proc/stat.
        now: monotonic clock in seconds.
    """

    def __init__(
        self, read: Callable[[], str] = lambda: _read(STATISTICS), now: Callable[[], float] = monotonic
    ) -> None:
        self._read = read
        self._now = now
        self._looked = now()
        self._before = idle_ticks(read())
        self._spare: float | None = None

    def __call__(self) -> float | None:
        """Return the idle cores between the last two samples, which are at least half a second apart."""
        if self._before is not None and self._now() - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._looked, before, self._before = self._now(), self._before, idle_ticks(self._read())
            if self._before is not None:
                idle, all_ticks = (after - earlier for after, earlier in zip(self._before, before, strict=True))
                self._spare = (os.cpu_count() or 1) * idle / all_ticks if all_ticks > 0 else None
        return self._spare


def idle_ticks(statistics: str) -> tuple[int, int] | None:
    """Return (idle or I/O wait ticks, all ticks) of all cores; None where not reported."""
    fields = statistics.partition("\n")[0].split()
    if len(fields) < 6 or fields[0] != "cpu":
        return None
    ticks = [int(field) for field in fields[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
