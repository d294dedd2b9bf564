"""`styletalk bench latency`: from the microphone to the displayed frame, in a real browser.

Runs on: the main thread, the server in another. Browser and server run on one machine, so both read the same wall
clock. The microphone plays bursts; the page notes when the samples of each burst's first peak were captured, the
server on which tick they arrived. That places ticks on the page's clock; every displayed frame then tells its age:
the time since the sound of its tick was spoken.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.benchmarks.browser import BURST_PERIOD, bursts, speaking_page
from server.benchmarks.live import LiveServer, live_server
from server.calls import Call
from server.tracks import FRAME_RTP_TICKS
from streaming.media import FRAME_TICKS, TICK_RATE, AudioChunk, Tick, VideoImage
from streaming.session import Session
from styletalk_core.errors import InputError

THRESHOLD = 3_000
QUIET_SECONDS = 0.2
SETTLE_SECONDS = 8
PROBE = """
async ({ seconds, threshold, quietSeconds }) => {
  const video = document.getElementById("avatar-video");
  const wall = (t) => performance.timeOrigin + t;
  const frames = [], onsets = [], skews = [];
  let running = true, origin = Infinity;
  const onFrame = (now, { expectedDisplayTime, rtpTimestamp }) => {
    frames.push([wall(expectedDisplayTime), rtpTimestamp]);
    if (running) video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  const track = styletalk.microphone.clone();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const listen = (async () => {
    let quiet = 0;
    while (running) {  // the thread of the page may read late; the quickest reading tells when samples are captured
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--seconds", type=float, default=30, help="how long to measure (30)")
    parser.add_argument("--loss", type=float, default=0, metavar="P", help="percent of packets lost both ways (0)")
    parser.add_argument("--size", type=int, choices=(256, 512), default=512, help="picture size (512)")
    parser.add_argument("--future-frames", type=int, default=2, help="phone look-ahead in frames (2)")


class Onsets:
    """Listens in on a microphone and notes on which tick each burst begins."""

    def __init__(self, call: Call) -> None:
        self.ticks: list[Tick] = []
        self._quiet = 0
        self._deliver = call.microphone.deliver
        call.microphone.deliver = self._listen

    def _listen(self, chunk: AudioChunk) -> None:
        loud = np.flatnonzero(np.abs(chunk.samples.astype(np.int32)) > THRESHOLD)
        if len(loud):
            if self._quiet + loud[0] > QUIET_SECONDS * TICK_RATE:
                self.ticks.append(chunk.start + int(loud[0]))
            self._quiet = len(chunk.samples) - 1 - int(loud[-1])
        else:
            self._quiet += len(chunk.samples)
        self._deliver(chunk)


class Repeats:
    """Notes which frames were sent with the picture of an earlier one."""

    def __init__(self, session: Session) -> None:
        self.indices: set[int] = set()
        self._next_image = session.next_image
        session.next_image = self._watch  # type: ignore[method-assign]

    async def _watch(self) -> VideoImage:
        image = await self._next_image()
        if image.repeated:
            self.indices.add(image.index)
        return image


def lose(call: Call, share: float) -> None:
    """Drops a fixed pattern of packets in both directions."""
    random = np.random.default_rng(1)
    receiver = next(t.receiver for t in call.peer.getTransceivers() if t.kind == "audio")
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
        InputError: no browser, or a senseless option.
    """
    if args.seconds < 5:
        raise InputError(f"--seconds must be at least 5, not {args.seconds:g}.")
    if not 0 <= args.loss < 50:
        raise InputError(f"--loss is a percentage below 50, not {args.loss:g}.")
    with (
        live_server(size=args.size, future_frames=args.future_frames, max_sessions=1) as server,
        tempfile.TemporaryDirectory() as folder,
        speaking_page(server.address, bursts(40), Path(folder)) as page,
    ):
        time.sleep(SETTLE_SECONDS)
        call = server.read(lambda: server.service.visitors.calls()[0])
        if args.loss:
            server.read(lambda: lose(call, args.loss / 100))
        heard = server.read(lambda: Onsets(call))
        repeats = server.read(lambda: Repeats(call.session))
        before = server.read(lambda: (call.session.stats.fresh, call.session.stats.late))
        seen = page.evaluate(PROBE, {"seconds": args.seconds, "threshold": THRESHOLD, "quietSeconds": QUIET_SECONDS})
        result = _result(server, call, heard.ticks, repeats.indices, seen)
        fresh, late = server.read(lambda: (call.session.stats.fresh, call.session.stats.late))
        result["late_share"] = round((late - before[1]) / max(1, fresh - before[0]), 5)
    if not args.json:
        print(
            f"microphone to frame: p50 {result['p50_ms']} ms, p95 {result['p95_ms']} ms over {result['samples']} frames"
        )
        for name, value in result["parts"].items():
            print(f"  {name:<24}{value:7.1f} ms")
        print(f"picture minus sound: mean {result['skew_mean_ms']} ms, p95 {result['skew_p95_ms']} ms")
        print(f"{result['fps']} frames per second, {result['late_share']:.2%} late")
    return result


def _result(
    server: LiveServer, call: Call, ticks: list[Tick], repeated: set[int], seen: dict[str, Any]
) -> dict[str, Any]:
    """Brings page and server together; repeated pictures are no frames."""
    session = call.session
    captured = np.array(seen["onsets"])
    due = np.array([session.clock.unix_deadline(tick) * 1000 for tick in ticks]) - session.clock.delay / 48
    uplink = [float(d - captured[np.argmin(np.abs(d - captured - 50))]) for d in due] if len(captured) else []
    uplink = [value for value in uplink if -100 < value < BURST_PERIOD * 500]
    if not uplink or not seen["frames"]:
        raise InputError("No burst or no picture arrived; is another program using the processor?")
    to_server = float(np.median(uplink))
    shown, rtp = np.array(seen["frames"]).T
    indices = np.round(((rtp - _rtp_origin(server, call)) % (1 << 32)) / FRAME_RTP_TICKS).astype(int)
    fresh = ~np.isin(indices, list(repeated))
    shown, indices = shown[fresh], indices[fresh]
    deadlines = np.array([session.clock.unix_deadline(int(index) * FRAME_TICKS) * 1000 for index in indices])
    downlink = shown - deadlines
    age: NDArray[np.float64] = to_server + session.clock.delay / 48 + downlink
    plan = session.plan.parts()
    parts = {"microphone and uplink": to_server, **plan, "downlink and display": float(np.median(downlink))}
    skews = np.array(seen["skews"][2:] or [np.nan])
    return {
        "p50_ms": round(float(np.median(age)), 1),
        "p95_ms": round(float(np.percentile(age, 95)), 1),
        "p99_ms": round(float(np.percentile(age, 99)), 1),
        "parts": {name: round(value, 1) for name, value in parts.items()},
        "stages": {
            name: {"run_p50": round(t.run_p50, 2), "run_p95": round(t.run_p95, 2), "wait_p50": round(t.wait_p50, 2)}
            for name, t in server.service.worker.timings().items()
        },
        "skew_mean_ms": round(float(np.mean(skews)), 1),
        "skew_p95_ms": round(float(np.percentile(np.abs(skews), 95)), 1),
        "fps": round(1000 * (len(shown) - 1) / float(shown[-1] - shown[0]), 2),
        "frame_interval_p95_ms": round(float(np.percentile(np.diff(shown), 95)), 1),
        "samples": len(shown),
        "uplink_samples": len(uplink),
    }


def _rtp_origin(server: LiveServer, call: Call) -> int:
    """RTP time stamp of frame 0: the sender starts at a random number.

    The newest frame may be on its way between track and sender, which makes some readings one frame too small.
    """
    sender = next(t.sender for t in call.peer.getTransceivers() if t.kind == "video")

    def read() -> int:
        newest = int(getattr(sender, "_RTCRtpSender__rtp_timestamp"))  # noqa: B009, a private name
        return newest - call.session.shown_index * FRAME_RTP_TICKS

    readings = []
    for _ in range(40):
        readings.append(server.read(read) % (1 << 32))
        time.sleep(0.01)
    return max(readings)
