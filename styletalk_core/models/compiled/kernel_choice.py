"""Kernel autotuning: selects the kernel of the compiled decoder by measuring candidates on this machine.

Smaller storage needs less memory bandwidth and more arithmetic; which is faster depends on the processor and on whether
the network fits into its caches. Each storage is measured with weights of the network's size, then each tile with the
fastest storage. Times are thread CPU times, which other programs hardly affect.

Runs on: any thread; takes a few tenths of a second, once per process and network size.
"""

import time
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import numpy as np
from llvmlite import binding

from styletalk_core.errors import InputError
from styletalk_core.models.compiled.attention_steps import TILE
from styletalk_core.models.compiled.packed import Spec, compiled, linear, pack, spec
from styletalk_core.models.compiled.tile_kernel import STEPS, Kernel, Storage
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.phones import WINDOW

_PASSES: Final = 6
"""Repetitions per kernel, of which the fastest counts."""


def candidates(dimensions: Dimensions) -> list[Kernel]:
    """The kernels that this processor can run and that support the widths of a network.

    Raises:
        InputError: there is none.
    """
    features = binding.get_host_cpu_features()
    wide = bool(features.get("avx512bw"))
    storages = [Storage.FLOAT32]
    if wide or features.get("f16c") or features.get("fullfp16"):
        storages.append(Storage.FLOAT16)
    if wide or features.get("avx2"):
        storages.append(Storage.INT16)
    # A tile fills the 32 or 16 vector registers; a window has 11 rows.
    shapes = ((11, 2), (6, 4)) if wide else ((6, 2), (4, 2))
    kernels = [Kernel(storage, lanes_here(), rows, blocks) for storage in storages for rows, blocks in shapes]
    fitting = [kernel for kernel in kernels if _fits(dimensions, kernel)]
    if not fitting:
        d, tile = dimensions, min(kernel.tile for kernel in kernels)
        raise InputError(
            f"a network of width {d.width}, feed-forward {d.feed_forward} and {d.heads} heads cannot be compiled: "
            f"the widths must be multiples of {2 * tile} and {tile}, that of a head of {TILE}"
        )
    return fitting


def lanes_here() -> int:
    """Number of float32 values in a vector register of this processor."""
    return 16 if binding.get_host_cpu_features().get("avx512bw") else 8


@cache
def fastest_kernel(dimensions: Dimensions) -> Kernel:
    """The fastest candidate for a network, measured once per process.

    Raises:
        InputError: no kernel supports the network.
    """
    kernels = candidates(dimensions)
    by_storage = {kernel.storage: kernel for kernel in reversed(kernels)}
    storage = _fastest(by_storage.values(), dimensions).storage
    return _fastest([kernel for kernel in kernels if kernel.storage is storage], dimensions)


def seconds_per_frame(kernel: Kernel, dimensions: Dimensions) -> float:
    """Approximate thread CPU time of the matrix products of a frame, in the encoder and both decoders."""
    d = dimensions
    generator = np.random.default_rng(0)
    layer = pack(generator.normal(size=(d.feed_forward, d.width)).astype(np.float32), None, kernel)
    # Per layer, the encoder has 4 + 2 f square matrices and each decoder 8 + 2 f, with f = feed-forward / width.
    count = d.layers * round((20 + 6 * d.feed_forward / d.width) * d.width / d.feed_forward)
    weights = np.tile(layer.data.reshape(-1), count)
    x = generator.normal(size=(WINDOW, d.width)).astype(np.float32)
    out = np.empty((WINDOW, layer.outputs), np.float32)
    times = []
    for _ in range(_PASSES):
        begin = time.thread_time()
        _products(x, weights.ctypes.data, layer.data.nbytes, count, out, spec(kernel))
        times.append(time.thread_time() - begin)
    return min(times)


def _fastest(kernels: Iterable[Kernel], dimensions: Dimensions) -> Kernel:
    choice = list(kernels)
    if len(choice) == 1:
        return choice[0]
    return min(choice, key=lambda kernel: seconds_per_frame(kernel, dimensions))


def _fits(d: Dimensions, kernel: Kernel) -> bool:
    depth = d.width // d.heads
    return d.width % (2 * kernel.tile) == d.feed_forward % kernel.tile == depth % TILE == d.width % (2 * STEPS) == 0


@compiled
def _products(x: Any, weights: int, size: int, count: int, out: Any, kernel: Spec) -> None:
    """Multiplies x with ``count`` matrices of ``size`` bytes."""
    for index in range(count):
        linear(x, weights + index * size, out, np.bool_(False), kernel)
