"""`styletalk bench outage`: recovery time of a real browser after an outage or a change of network.

Runs on: the main thread, with the server and the emulated network in another thread. The microphone never pauses. The
page records when audio is audible and when frames are displayed. During an outage nothing gets through; in a change of
network only the traffic in flight is lost, and the page is not notified.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from server.lab.benchmarks.browser import WATCH_CORNER, speaking_page, vowel
from server.lab.benchmarks.live_server import LiveServer, live_server
from server.lab.benchmarks.network import Network
from streaming.clock import monotonic, unix_seconds
from styletalk_core.errors import InputError

SETTLE_SECONDS = 4
BACK_WITHIN_SECONDS = 20
LOOK_SECONDS = 0.01
CHOOSE = """
() => {
  document.querySelectorAll("#styles input")[2].click();
  document.querySelectorAll("#avatars input")[1].click();
  const intensity = document.getElementById("intensity");
  intensity.value = 0.7;
  intensity.dispatchEvent(new Event("input"));
}
"""
WATCH = (
    "() => {"
    + WATCH_CORNER
    + """
  const loud = [];
  let heard = null;
  const listen = async (track) => {
    const reader = new MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const samples = new Float32Array(part.value.numberOfFrames);
      part.value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      if (samples.some((sample) => Math.abs(sample) > 0.03)) loud.push(wall(performance.now()));
      part.value.close();
    }
  };
  setInterval(() => {
    const track = video.srcObject?.getAudioTracks()[0];
    if (track && track !== heard) listen((heard = track));
  }, 20);
  window.served = { frames, loud };
}
"""
)
SERVED = """
(since) => {
  const chosen = (kind) => document.querySelector(`#${kind}s input:checked`).value;
  const intensity = Number(document.getElementById("intensity").value);
  const first = (moments) => moments.find((moment) => moment > since) ?? null;
  const created = styletalk.events.findLast(({ type }) => type === "session.created");
  return {
    picture: first(served.frames.map(([moment]) => moment)),
    sound: first(served.loud),
    resumed: created ? performance.timeOrigin + created.at : 0,
    session: styletalk.session,
    same: ["avatar", "style"].every((kind) => chosen(kind) === created?.[kind]) && intensity === created?.intensity,
  };
}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--times", type=int, default=3, metavar="N", help="outages, and as many network changes (3)")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="duration of an outage (10)")
    parser.add_argument("--size", type=int, choices=(256, 512), default=512, help="video size (512)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Cuts the network repeatedly and reports the recovery times.

    Raises:
        InputError: no browser, an invalid option, or a page that did not recover.
    """
    if args.times < 1:
        raise InputError("--times must be at least 1.")
    if args.seconds < 5:
        raise InputError(f"--seconds must be at least 5, not {args.seconds:g}: the server itself waits nearly as long.")
    outages, changes, places = [], [], []
    with (
        live_server(size=args.size, max_sessions=1) as server,
        _network(server) as network,
        tempfile.TemporaryDirectory() as folder,
        speaking_page(f"http://127.0.0.1:{network.port}/", vowel(30), Path(folder)) as page,
    ):
        page.evaluate(CHOOSE)
        page.evaluate(WATCH)
        for _ in range(args.times):
            time.sleep(SETTLE_SECONDS)
            server.read(network.cut)
            places.append(_until_free(server, monotonic()))
            time.sleep(max(0.0, args.seconds - places[-1] / 1000))
            outages.append(_back(server, network, page))
            time.sleep(SETTLE_SECONDS)
            server.read(network.cut)
            changes.append(_back(server, network, page))
    result: dict[str, Any] = {"place_back_max_ms": round(max(places), 1)}
    for name, cases in (("outage", outages), ("change", changes)):
        for figure in ("resumed", "picture", "sound"):
            result[f"{name}_{figure}_max_ms"] = round(float(np.max([case[figure] for case in cases])), 1)
    result |= {"same_session_and_settings": all(case["same"] for case in outages + changes), "times": args.times}
    if not args.json:
        for name, value in result.items():
            print(f"{name:<28}{value}")
    return result


@contextmanager
def _network(server: LiveServer) -> Iterator[Network]:
    """An emulated network in front of the server, on the server's event loop."""
    network = Network(int(server.address.rstrip("/").rpartition(":")[2]))
    server.run(network.open())
    try:
        yield network
    finally:
        server.run(network.aclose())


def _until_free(server: LiveServer, since: float) -> float:
    """Milliseconds until the server has freed the slot.

    Raises:
        InputError: the slot was not freed in time.
    """
    while server.service.worker.free_slots == 0:
        if monotonic() - since > BACK_WITHIN_SECONDS:
            raise InputError(f"The slot was still occupied {BACK_WITHIN_SECONDS} s after its client had vanished.")
        time.sleep(LOOK_SECONDS)
    return (monotonic() - since) * 1000


def _back(server: LiveServer, network: Network, page: Any) -> dict[str, Any]:
    """Restores the network; returns the milliseconds until the page has recovered and whether it kept its session.

    Raises:
        InputError: the page did not recover.
    """
    before = page.evaluate(SERVED, 0)
    server.read(network.restore)
    restored = unix_seconds() * 1000
    deadline = monotonic() + BACK_WITHIN_SECONDS
    while True:
        seen = page.evaluate(SERVED, max(restored, page.evaluate(SERVED, 0)["resumed"]))
        if seen["resumed"] > restored and seen["picture"] and seen["sound"]:
            break
        if monotonic() > deadline:
            raise InputError(f"The page did not recover within {BACK_WITHIN_SECONDS} s after the network was restored.")
        time.sleep(0.1)
    times = {name: seen[name] - restored for name in ("resumed", "picture", "sound")}
    return times | {"same": seen["same"] and seen["session"] == before["session"]}
