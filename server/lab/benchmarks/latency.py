"""`styletalk bench latency`: latency from the microphone to the displayed frame, in a real browser.

Runs on: the main thread, with the server in another thread. Browser and server run on one machine and share its wall
clock. The microphone plays bursts. The page records when the first peak of each burst is captured and when it displays
the frame that the server has marked with a flash for that peak, so the end-to-end latency is measured on content alone.
The parts are measured between the stages; the unexplained remainder is reported as well. With ``--busy``, busy loops
then load the CPU for the same time, and the report includes the quality of the call under load and the recovery time.
"""

import argparse
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.lab.benchmarks.adaptation import Adaptation, add_size
from server.lab.benchmarks.browser import BURST_PERIOD, WATCH_CORNER, bursts
from server.lab.benchmarks.busy import busy_loops
from server.lab.benchmarks.live_server import speaking_call
from server.lab.benchmarks.stopwatch import QUIET_SECONDS, THRESHOLD, Stopwatch
from server.sessions.microphone_session import MicrophoneSession
from server.webrtc.vp8_encoder import VIDEO_CLOCK_RATE
from streaming.clock import unix_seconds
from streaming.units import FRAME_TICKS, TICK_RATE, Tick
from styletalk_core.errors import InputError

SETTLE_SECONDS = 8
RECOVERY_SECONDS = 15
"""Observation time after the load ends."""
FULL_RATE = 29
"""Frames per second at which a call counts as recovered: 30, less one that the ends of the second may cut off."""
PROBE = (
    "async ({ seconds, threshold, quietSeconds }) => {"
    + WATCH_CORNER
    + """
  const onsets = [], skews = [];
  let origin = Infinity;
  const track = styletalk.microphone.clone();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const listen = (async () => {
    let quiet = 0;
    while (running) {  // the page thread may read late; the fastest read gives the capture time
      const { value, done } = await reader.read();
      if (done) break;
      const end = value.timestamp / 1000 + value.duration / 1000;
      origin = Math.min(origin, wall(performance.now()) - end);
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      for (let i = 0; i < samples.length; i++) {
        if (Math.abs(samples[i]) * 32768 > threshold) {
          const age = (samples.length - i) / value.sampleRate * 1000;
          if (quiet > quietSeconds * value.sampleRate) onsets.push(end - age);
          quiet = 0;
        } else quiet++;
      }
      value.close();
    }
    track.stop();
  })();
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const reports = [...(await styletalk.peer.getStats()).values()].filter(({ type }) => type === "inbound-rtp");
    const playout = (kind) => reports.find((report) => report.kind === kind)?.estimatedPlayoutTimestamp;
    if (playout("audio") && playout("video")) skews.push(playout("audio") - playout("video"));
  }
  running = false;
  await listen;
  return { frames, onsets: onsets.map((onset) => onset + origin), skews };
}
"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--seconds", type=float, default=30, help="measurement time (30)")
    parser.add_argument(
        "--loss", type=float, default=0, metavar="P", help="packet loss in percent, in both directions (0)"
    )
    add_size(parser)
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="measure again with N busy loops (0)")
    parser.add_argument("--future-frames", type=int, default=2, help="phone look-ahead in frames (2)")


def lose(session: MicrophoneSession, share: float) -> None:
    """Drops a fixed pattern of packets in both directions."""
    random = np.random.default_rng(1)
    receiver = next(t.receiver for t in session.peer.getTransceivers() if t.kind == "audio")
    handle, transport = receiver._handle_rtp_packet, receiver.transport
    send = transport._send_rtp

    async def receive_some(packet: Any, arrival_time_ms: int) -> None:
        if random.random() >= share:
            await handle(packet, arrival_time_ms)

    async def send_some(data: bytes) -> None:
        if random.random() >= share:
            await send(data)

    receiver._handle_rtp_packet = receive_some  # type: ignore[method-assign]
    transport._send_rtp = send_some  # type: ignore[method-assign]


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures one call.

    Raises:
        InputError: no browser, or an invalid option.
    """
    if args.seconds < 5:
        raise InputError(f"--seconds must be at least 5, not {args.seconds:g}.")
    if not 0 <= args.loss < 50:
        raise InputError(f"--loss must be a percentage from 0 to below 50, not {args.loss:g}.")
    if args.busy < 0:
        raise InputError(f"--busy must be at least 0, not {args.busy}.")
    with speaking_call(bursts(40), size=args.size, future_frames=args.future_frames) as (server, page):
        time.sleep(SETTLE_SECONDS)
        session = server.read(lambda: server.service.clients.microphone_sessions()[0])
        if args.loss:
            server.read(lambda: lose(session, args.loss / 100))
        watch = server.read(lambda: Stopwatch(session, server.service.worker))
        before = server.read(lambda: (session.media_session.stats.fresh, session.media_session.stats.late))
        seen = _seen(page, args.seconds)
        fresh, late = server.read(lambda: (session.media_session.stats.fresh, session.media_session.stats.late))
        result = _result(watch, seen) | {
            "late_share": round((late - before[1]) / max(1, fresh - before[0]), 5),
            "stages": {name: asdict(timing) for name, timing in server.service.worker.timings().items()},
        }
        if args.busy:
            result |= _beside_busy_loops(page, args.busy, args.seconds)
        result |= asdict(server.read(lambda: Adaptation.of(session)))
    if not args.json:
        _print(result)
    return result


def _seen(page: Any, seconds: float) -> dict[str, Any]:
    """Returns the page's frames and audio onsets within this time."""
    options = {"seconds": seconds, "threshold": THRESHOLD, "quietSeconds": QUIET_SECONDS}
    seen: dict[str, Any] = page.evaluate(PROBE, options)
    return seen


def _beside_busy_loops(page: Any, count: int, seconds: float) -> dict[str, Any]:
    """Returns the figures under load from busy loops, and the recovery time after they end."""
    with busy_loops(count):
        busy = _seen(page, seconds)
    ended = unix_seconds() * 1000
    after = _seen(page, RECOVERY_SECONDS)
    return {
        "busy": {"loops": count} | _pace(_moments(busy["frames"]), busy["skews"]),
        "recovery_s": recovery_seconds(_moments(after["frames"]), ended),
    }


def _moments(frames: list[tuple[float, int, bool]]) -> NDArray[np.float64]:
    """Returns the time of first display of each frame, ms since the epoch."""
    first: dict[int, float] = {}
    for moment, rtp, _ in frames:
        first.setdefault(rtp, moment)
    return np.array(sorted(first.values()))


def _pace(moments: NDArray[np.float64], skews: list[float]) -> dict[str, float]:
    """Frame rate, frame intervals and lip sync of frames displayed at ``moments`` (ms)."""
    if len(moments) < 2:
        raise InputError("No frame arrived; is another program using the CPU?")
    settled = np.array(skews[2:] or [np.nan])
    return {
        "fps": round(1000 * (len(moments) - 1) / float(moments[-1] - moments[0]), 2),
        "frame_interval_p95_ms": round(float(np.percentile(np.diff(moments), 95)), 1),
        "skew_mean_ms": round(float(np.mean(settled)), 1),
        "skew_p95_ms": round(float(np.percentile(np.abs(settled), 95)), 1),
    }


def recovery_seconds(moments: NDArray[np.float64], ended: float) -> float | None:
    """Seconds from ``ended`` to the first second with the full frame rate; None if there is none.

    Args:
        moments: display times of the frames, ms, on the same clock as ``ended``.
    """
    starts = np.concatenate([[ended], moments[moments > ended]])
    shown = np.searchsorted(moments, starts + 1000) - np.searchsorted(moments, starts)
    full = np.flatnonzero(shown >= FULL_RATE)
    return round(float(starts[full[0]] - ended) / 1000, 2) if len(full) else None


def _print(result: dict[str, Any]) -> None:
    """Prints the result as lines of text."""
    print(f"microphone to frame: p50 {result['p50_ms']} ms, p95 {result['p95_ms']} ms over {result['samples']} frames")
    for name, value in result["parts"].items():
        print(f"  {name:<24}{value:7.1f} ms")
    print(f"  {'not accounted for':<24}{result['unaccounted_ms']:7.1f} ms")
    print(f"video minus audio: mean {result['skew_mean_ms']} ms, p95 {result['skew_p95_ms']} ms")
    print(
        f"{result['fps']} frames per second, 95 % of the intervals below {result['frame_interval_p95_ms']} ms, "
        f"{result['late_share']:.2%} late"
    )
    delay = result["delay_ms"]
    print(
        f"size {result['size']} after {result['size_changes']} changes; delay {delay['first']} ms initially, "
        f"{delay['largest']} at most, {delay['last']} at the end"
    )
    if "busy" in result:
        busy, recovery = result["busy"], result["recovery_s"]
        print(
            f"with {busy['loops']} busy loops: {busy['fps']} frames per second, 95 % of the intervals below "
            f"{busy['frame_interval_p95_ms']} ms, video minus audio p95 {busy['skew_p95_ms']} ms; "
            + ("not recovered" if recovery is None else f"recovered after {recovery} s")
        )


def _result(watch: Stopwatch, seen: dict[str, Any]) -> dict[str, Any]:
    """Combines the records of page and server; skips frames that were not rendered.

    Raises:
        InputError: no burst or no frame was recorded.
    """
    captured = np.array(seen["onsets"])
    shown = _shown_frames(watch, seen["frames"])
    bursts = [(onset, _nearest(captured, onset.captured * 1000 - 50)) for onset in watch.onsets]
    bursts = [(onset, moment) for onset, moment in bursts if -100 < onset.captured * 1000 - moment < BURST_PERIOD * 500]
    if not bursts or not shown:
        raise InputError("No burst or no frame arrived; is another program using the CPU?")
    clock_lag = float(np.median([onset.captured * 1000 - moment for onset, moment in bursts]))
    frames = {tick: (moment, watch.frames[tick]) for tick, moment in shown.items() if tick in watch.frames}
    frames = {tick: pair for tick, pair in frames.items() if pair[1].complete}
    ages = np.array([moment - frame.captured * 1000 + clock_lag for moment, frame in frames.values()])
    whole_way = [
        shown[tick] - moment + (onset.tick - tick) * 1000 / TICK_RATE
        for onset, moment in bursts
        for tick in watch.flashes
        if tick in shown and tick <= onset.tick < tick + FRAME_TICKS
    ]
    plan = watch.session.media_session.plan

    def between(first: str, second: str) -> NDArray[np.float64]:
        return np.array([getattr(f, second) - getattr(f, first) for _, f in frames.values()]) * 1000

    parts: dict[str, Any] = {
        "microphone and uplink": [
            onset.arrived * 1000 - moment - onset.rest * 1000 / TICK_RATE for onset, moment in bursts
        ],
        "room for late packets": plan.receive * 1000 / TICK_RATE,
        "recogniser": plan.recognizer * 1000 / TICK_RATE,
        "look-ahead": (plan.phone_column + plan.future_frames * FRAME_TICKS) * 1000 / TICK_RATE,
        "decoder": between("decoding", "decoded"),
        "renderer": between("rendering", "rendered"),
        "waiting for its time": between("rendered", "handed_out"),
        "encode": between("handed_out", "encoded"),
        "downlink and display": [moment - frame.encoded * 1000 for moment, frame in frames.values()],
    }
    explained = sum(float(np.mean(values)) for values in parts.values())  # means add up, medians do not
    moments = np.array([moment for moment, _ in frames.values()])
    return {
        "p50_ms": round(float(np.median(ages)), 1),
        "p95_ms": round(float(np.percentile(ages, 95)), 1),
        "p99_ms": round(float(np.percentile(ages, 99)), 1),
        "parts": {name: round(float(np.median(values)), 1) for name, values in parts.items()},
        "flash_p50_ms": round(float(np.median(whole_way)), 1),
        "unaccounted_ms": round(float(np.mean(whole_way)) - explained, 1),
        **_pace(moments, seen["skews"]),
        "samples": len(moments),
        "flashes": len(whole_way),
    }


def _nearest(moments: NDArray[np.float64], moment: float) -> float:
    """The element of ``moments`` (n,) closest to ``moment``; infinitely far if there is none."""
    return float(moments[np.abs(moments - moment).argmin()]) if len(moments) else np.inf


def _shown_frames(watch: Stopwatch, seen: list[tuple[float, int, bool]]) -> dict[Tick, float]:
    """Returns the display time of each tick's frame, ms since the epoch; the flashes give the RTP time of tick 0."""
    wrap = 1 << 32
    origins = Counter((rtp - _rtp(tick)) % wrap for _, rtp, flash in seen if flash for tick in watch.flashes)
    if not origins:
        return {}
    origin = origins.most_common(1)[0][0]
    return {(rtp - origin) % wrap * TICK_RATE // VIDEO_CLOCK_RATE: moment for moment, rtp, _ in seen}


def _rtp(tick: Tick) -> int:
    """RTP time of the frame that begins at ``tick``, relative to that of tick 0."""
    return tick * VIDEO_CLOCK_RATE // TICK_RATE
