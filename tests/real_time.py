"""Real-time tests are skipped instead of failed if other programs load the machine.

The tests always run, and a pass counts. A failure becomes a skip, with the reason, only if other programs used half of
the CPU time during the test, if this process was runnable but waiting for a CPU for a tenth of the time, or if it stood
still for a tenth of a second, as under a hypervisor that runs other machines. On a quiet machine it remains a failure.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

try:
    from server.lab.benchmarks.machine import OtherPrograms
except ModuleNotFoundError:  # without the laboratory, what other programs take is not known
    OtherPrograms = None

OTHERS_SHARE: Final = 0.5
WAITED_SHARE: Final = 0.1
STILL_SECONDS: Final = 0.1
NAP_SECONDS: Final = 0.01
FOLDERS: Final = frozenset({"integration", "browser"})
"""Of tests where real clients talk to a real server."""
MODULES: Final = frozenset(
    {
        "test_aiortc_patches", "test_captions", "test_sandbox", "test_draining", "test_live_benchmarks",
        "test_loop_monitor", "test_message_channel", "test_network", "test_packet_sending", "test_reachability",
        "test_batch_worker",
    }
)  # fmt: skip
"""Others whose clock is the machine's."""


@dataclass(slots=True)
class Crowding:
    """What a test had of the machine.

    Attributes:
        seconds: how long it took.
        waited: for how long its main thread was ready and got no processor [s].
        others_share: of the machine, taken by other programs.
        still: the longest time in which none of its threads ran though one was due [s].
    """

    seconds: float = 0.0
    waited: float = 0.0
    others_share: float = 0.0
    still: float = 0.0

    @property
    def reason(self) -> str:
        """Why nothing can be said about real time; empty where something can."""
        waited_little = self.waited <= WAITED_SHARE * self.seconds
        if self.others_share <= OTHERS_SHARE and waited_little and self.still <= STILL_SECONDS:
            return ""
        return (
            f"real time: other programs took {self.others_share:.0%} of the machine, this one waited "
            f"{self.waited:.1f} of {self.seconds:.1f} s for a processor and stood still for {self.still:.2f} s"
        )


@contextmanager
def crowding() -> Iterator[Crowding]:
    """Is filled when the block ends."""
    seen, began, waited, ended = Crowding(), time.monotonic(), _waited(), threading.Event()
    watching = threading.Thread(target=_watch_for_standstills, args=(seen, ended), name="standstills", daemon=True)
    watching.start()
    try:
        with OtherPrograms.watched(_test_run()) if OtherPrograms else nullcontext() as others:
            yield seen
    finally:
        ended.set()
        watching.join()
        seen.seconds, seen.waited = time.monotonic() - began, _waited() - waited
        seen.others_share = others.share if others else 0.0


@contextmanager
def on_a_quiet_machine(measure: Callable[..., object] = crowding, shared: Iterable[Crowding] = ()) -> Iterator[None]:
    """Skips the test where the block fails for want of a processor.

    Args:
        measure: gives the `Crowding` of the block.
        shared: of the recordings that the block judges.
    """
    failure: BaseException | None = None
    with measure() as seen:  # type: ignore[attr-defined]
        try:
            yield
        except Exception as error:
            if not (
                isinstance(error, AssertionError | ConnectionError) or type(error).__name__ == "TimeoutError"
            ):  # of Playwright, too
                raise
            failure = error
    if failure is not None:
        if reason := next((one.reason for one in (seen, *shared) if one.reason), ""):
            pytest.skip(f"{reason}: {type(failure).__name__} {str(failure)[:80]}")
        raise failure


def is_real_time(path: Path) -> bool:
    """Whether the tests of a module measure real time."""
    return path.parent.name in FOLDERS or path.stem in MODULES


def _test_run() -> int:
    """The process that everything of this test run descends from."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def _watch_for_standstills(seen: Crowding, ended: threading.Event) -> None:
    """Notes by how much a nap is late, less what this process has worked meanwhile: that delay is its own."""
    while not ended.is_set():
        began, worked = time.monotonic(), time.process_time()
        ended.wait(NAP_SECONDS)
        late = time.monotonic() - began - NAP_SECONDS
        seen.still = max(seen.still, late - (time.process_time() - worked))


def _waited() -> float:
    """Seconds that the main thread of this process has been ready for a processor and got none; 0 if not known."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0
