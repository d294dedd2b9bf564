"""`styletalk bench decoder`: speed of the decoder with a cached style, compared with the uncached computation.

Uses the sizes of the paper with ``--size paper`` (the default), else those of the shipped weights. One CPU thread; CPU
times are thread CPU time, which other programs hardly affect.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from styletalk_core.errors import InputError
from styletalk_core.models import checkpoint
from styletalk_core.models.compiled.captured_decoder import CapturedStyleTalk
from styletalk_core.models.compiled.compiled_decoder import CompiledStyleTalk
from styletalk_core.models.compiled.kernel_choice import candidates, seconds_per_frame
from styletalk_core.models.style_decoder import StyleDecoder
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import FPS, PHONES, WINDOW
from styletalk_core.weights import MOTION, packaged_weights

SAMPLES: Final = 300
WARM_UP: Final = 30
BATCH: Final = 8
SESSIONS_ON_GPU: Final = 32
"""Number of sessions for which the load of a CUDA device is reported."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `styletalk bench decoder`."""
    parser.add_argument(
        "--size", choices=("paper", "shipped"), default="paper", help="network to measure (default: paper)"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--kernel", help="kernel named as in products_ms, such as 'int16 6x16' (default: the fastest)")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--json", action="store_true")


@torch.inference_mode()
def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures a frame for one session and for eight with different styles, a style switch, and a frame uncached."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = _measure(args)
    finally:
        torch.set_num_threads(threads)
    if not args.json:
        for name, value in result.items():
            print(f"{name:>20}  {value:.3f}" if isinstance(value, float) else f"{name:>20}  {value}")
    return result


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(args.device)
    torch.manual_seed(0)
    plain = _network(args.size).to(device)
    model: StyleDecoder = CapturedStyleTalk(plain) if device.type == "cuda" else _compiled(plain, args.kernel)
    windows = torch.randn(BATCH, WINDOW, len(PHONES)).mul(3).softmax(-1)
    phones, codes = windows.numpy(), torch.randn(BATCH, plain.code_width)
    states = [model.mix_style(code[None].numpy()) for code in codes]
    together = model.join(states)

    def uncached() -> Tensor:
        return plain.decode(windows[:1].to(device), plain.mix_style(codes[:1].to(device)))

    one = _times(lambda: model.decode(phones[:1], states[0]), args.samples, device)
    eight = _times(lambda: model.decode(phones, together), args.samples, device)
    switch = _times(lambda: model.mix_style(codes[:1].numpy()), args.samples // 5, device)
    slow = _times(uncached, args.samples // 5, device)
    result = {
        "ms_per_frame_b1": statistics.median(one),
        "ms_per_frame_b1_p95": statistics.quantiles(one, n=20)[-1],
        "ms_per_frame_b8": statistics.median(eight) / BATCH,
        "ms_per_frame_b8_p95": statistics.quantiles(eight, n=20)[-1] / BATCH,
        "ratio_uncached": statistics.median(slow) / statistics.median(one),
        "style_switch_ms": statistics.median(switch),
        "device": str(device),
        "kernel": str(model.kernel) if isinstance(model, CompiledStyleTalk) else "float16 graph",
        "size": args.size,
        "parameters": sum(value.numel() for value in plain.parameters()),
        "samples": args.samples,
    }
    if isinstance(model, CompiledStyleTalk):
        d = plain.dimensions
        result["products_ms"] = {str(one): round(1000 * seconds_per_frame(one, d), 3) for one in candidates(d)}
    else:
        many = model.join([states[row % BATCH] for row in range(SESSIONS_ON_GPU)])
        lasting = windows.repeat(SESSIONS_ON_GPU // BATCH, 1, 1).numpy()
        frame = statistics.median(_times(lambda: model.decode(lasting, many), args.samples, device))
        result["device_share_32"] = frame * FPS / 1000
    return result


def _network(size: str) -> StyleTalk:
    return StyleTalk().eval() if size == "paper" else checkpoint.load(packaged_weights(MOTION)).model


def _compiled(plain: StyleTalk, kernel: str | None) -> CompiledStyleTalk:
    """The network compiled with the named kernel, by default the fastest."""
    known = {str(one): one for one in candidates(plain.dimensions)}
    if kernel is not None and kernel not in known:
        raise InputError(f"unknown kernel {kernel!r}; this machine has: {', '.join(known)}")
    return CompiledStyleTalk(checkpoint.weights_of(plain), known.get(kernel or ""))


def _times(call: Callable[[], object], samples: int, device: torch.device) -> list[float]:
    """Duration of each call in ms, after a warm-up."""
    clock = time.perf_counter if device.type == "cuda" else time.thread_time
    for _ in range(WARM_UP):
        call()
    result = []
    for _ in range(samples):
        begin = clock()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        result.append(1000 * (clock() - begin))
    return result
