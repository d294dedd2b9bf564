"""The machine of a benchmark run: hardware, current speed, and load from other programs.

Reference times measure fixed work that does not depend on this program. They make runs comparable: if a reference time
has doubled, a doubled result says nothing about the program.

Runs on: the benchmark's thread; reads /proc and /sys where available.
"""

import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, Final

import av
import cv2
import numpy as np

from server.processors import available_cores

FEATURES: Final = ("sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "asimd")
"""Instruction sets that affect the speed, as Linux names them."""
VECTORS: Final = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "asimd": "NEON"}
"""Vector instruction set by feature, the widest first."""
LOADED_SHARE: Final = 0.1
"""Times measured while other programs took more of the machine are marked."""
SIZE: Final = 512
CHANNELS: Final = 4
WARM_UP: Final = 3
SAMPLES: Final = 15


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor name, supported `FEATURES`, cores, and number of cores that the program may use."""

    processor: str
    features: tuple[str, ...]
    cores: int
    core_limit: float

    @classmethod
    def here(cls) -> "Machine":
        """Detects the current machine."""
        told = _read("/proc/cpuinfo")
        flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)", told, re.M)
        found = set(flags[1].split()) if flags else set()
        cores = os.cpu_count() or 1
        return cls(
            processor_name(), tuple(name for name in FEATURES if name in found), cores, round(available_cores(), 2)
        )

    @property
    def name(self) -> str:
        """Processor name with its widest vector instruction set, which may differ between processors of one name."""
        widest = next((told for feature, told in VECTORS.items() if feature in self.features), "")
        return f"{self.processor} ({widest})" if widest else self.processor


@dataclass(frozen=True, slots=True)
class Reference:
    """CPU time in ms of reference work at 512 x 512: resampling four channels, multiplying float32 matrices, and
    encoding one VP8 frame of moving noise."""

    remap_ms: float
    blas_ms: float
    vp8_ms: float

    @classmethod
    def taken(cls) -> "Reference":
        """Measures the reference times, each in a few hundredths of a second."""
        return cls(*(round(_cpu_ms(work), 3) for work in (_remap(), _product(), _vp8_frame())))


@dataclass(slots=True)
class OtherPrograms:
    """Share of the CPU time used by programs other than this one and its children; 0 if unknown."""

    share: float = 0.0

    @classmethod
    @contextmanager
    def watched(cls, root: int | None = None) -> Iterator["OtherPrograms"]:
        """Measures ``share`` during the block; ``root`` is the process that counts as this program."""
        seen = cls()
        before = _ticks(root or os.getpid())
        try:
            yield seen
        finally:
            total, busy, own = (after - b for after, b in zip(_ticks(root or os.getpid()), before, strict=True))
            seen.share = round(min(1.0, max(0.0, (busy - own) / max(1, total))), 3)


def measured_with_machine(run: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Wraps a benchmark so that its result includes ``machine``, ``reference`` and ``load`` of the same run."""

    def measured(args: Any) -> dict[str, Any]:
        before = Reference.taken()
        with OtherPrograms.watched() as others:
            result = run(args)
        after = Reference.taken()
        faster = {name: min(value, asdict(after)[name]) for name, value in asdict(before).items()}
        machine, reference = Machine.here(), Reference(**faster)
        if not args.json:
            print(f"on {_described(machine)}")
            times = f"remap {reference.remap_ms:.2f} ms, BLAS {reference.blas_ms:.2f} ms, VP8 {reference.vp8_ms:.2f} ms"
            print(f"reference CPU times of this run: {times}; other programs took {others.share:.0%} of the machine")
        told = {"machine": asdict(machine), "reference": asdict(reference), "load": {"other_programs": others.share}}
        return result | told

    return measured


def others_share(figures: Mapping[str, Any]) -> float:
    """Return the share of the machine that other programs took during a benchmark; 0 if it is not stored."""
    return float(figures.get("load", {}).get("other_programs", 0.0))


def processor_name() -> str:
    """The processor's name."""
    found = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    return found[1].strip() if found else platform.processor() or platform.machine()


def _described(machine: Machine) -> str:
    limit = "" if machine.core_limit >= machine.cores else f", of which {machine.core_limit:g} are available"
    return f"{machine.processor} ({', '.join(machine.features) or 'features unknown'}), {machine.cores} cores{limit}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _ticks(root: int) -> tuple[int, int, int]:
    """Total ticks of all processors so far, ticks in use, and ticks used by ``root`` and its children."""
    first = _read("/proc/stat").partition("\n")[0].split()[1:9]
    if not first:
        return 0, 0, 0
    user, nice, system, idle, waiting, *interrupts = map(int, first)
    busy = user + nice + system + sum(interrupts)
    return busy + idle + waiting, busy, _used_by_tree(root)


def _used_by_tree(root: int) -> int:
    """Ticks used by a process and its descendants, including children that have ended and been reaped."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        parents[int(path.parent.name)] = int(fields[1])
        used[int(path.parent.name)] = sum(map(int, fields[11:15]))
    tree, fresh = {root}, {root}
    while fresh:
        fresh = {process for process, parent in parents.items() if parent in fresh} - tree
        tree |= fresh
    return sum(used.get(process, 0) for process in tree)


def _cpu_ms(work: Callable[[], object]) -> float:
    """Median CPU time of ``work`` over all threads, ms."""
    times = []
    for _ in range(WARM_UP + SAMPLES):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return median(times[WARM_UP:]) * 1000


def _remap() -> Callable[[], object]:
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, CHANNELS), np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    across, down = x + 3 * np.sin(y / 40), y + 3 * np.cos(x / 40)
    return lambda: cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _product() -> Callable[[], object]:
    one, other = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
    return lambda: one @ other


def _vp8_frame() -> Callable[[], object]:
    """Encodes a frame with fixed settings, independent of those of the server."""
    codec = av.CodecContext.create("libvpx", "w")
    codec.width = codec.height = SIZE
    codec.bit_rate = 1_200_000
    codec.pix_fmt = "yuv420p"
    codec.time_base = Fraction(1, 30)
    codec.thread_count = 1
    codec.options = {"cpu-used": "-8", "deadline": "realtime", "lag-in-frames": "0"}
    coarse = np.random.default_rng(0).integers(16, 236, (SIZE * 3 // 2 // 16, SIZE // 16), np.uint8)
    image = coarse.repeat(16, axis=0).repeat(16, axis=1)
    count = 0

    def encode() -> object:
        nonlocal count
        frame = av.VideoFrame.from_ndarray(np.roll(image, count, axis=1), format="yuv420p")
        frame.pts = count
        count += 1
        return codec.encode(frame)

    return encode
