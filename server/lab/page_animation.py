"""Records the page during a call, in which a recording speaks and styles are switched, as an animation.

python -m server.lab.page_animation docs/talking.webp --audio speech.wav

Runs on: the main thread, with the server in another thread and Chromium in its own processes.
"""

import argparse
import base64
import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.lab.benchmarks.live_server import speaking_call
from streaming.units import TICK_RATE
from styletalk_core.audio import read_audio

WIDTH, HEIGHT = 840, 532
"""Size of the animation, px; the page is laid out at 1.5 times that."""
LAYOUT_SCALE: Final = 1.5
FRAMES_PER_SECOND: Final = 12.5
QUALITY: Final = 60
"""Of the WebP compression, 0 to 100."""
STYLES: Final = ("conversational", "happy", "angry", "surprised", "sad")
SECONDS_PER_STYLE: Final = 3.2
EVERY: Final = 4
"""Of the 60 frames a second that the browser shows; each costs it time that the call needs."""
LEAD_IN: Final = 6.0
"""Seconds of the call before the animation begins."""


def recorded(page: Any, styles: tuple[str, ...]) -> list[tuple[float, bytes]]:
    """Return times [s] and JPEG images of the page while it is switched through the styles."""
    screen = page.context.new_cdp_session(page)
    images: list[tuple[float, bytes]] = []

    def keep(event: dict[str, Any]) -> None:
        images.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        screen.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    page.wait_for_timeout(1000 * LEAD_IN)
    screen.on("Page.screencastFrame", keep)
    screen.send("Page.startScreencast", {"format": "jpeg", "quality": 92, "everyNthFrame": EVERY})
    for style in styles:
        page.locator(f"#styles input[value={style}]").check(force=True)
        page.wait_for_timeout(1000 * SECONDS_PER_STYLE)
    screen.remove_listener("Page.screencastFrame", keep)
    screen.send("Page.stopScreencast")
    return images


def evenly(images: list[tuple[float, bytes]]) -> list[Image.Image]:
    """Return the images that are shown at evenly spaced times, WIDTH x HEIGHT px."""
    times = np.array([time for time, _ in images])
    due = np.arange(times[0], times[-1], 1 / FRAMES_PER_SECOND)
    chosen = np.searchsorted(times, due, side="right") - 1
    return [
        Image.open(io.BytesIO(images[k][1])).convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        for k in chosen
    ]


def main() -> None:
    """Records the animation and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, metavar="FILE.webp")
    parser.add_argument("--audio", type=Path, required=True, help="recording that is spoken in a loop")
    args = parser.parse_args()
    speech: NDArray[np.int16] = (read_audio(args.audio, TICK_RATE) * 32_767).astype("<i2")
    with speaking_call(speech, size=512) as (_, page):
        page.set_viewport_size({"width": round(WIDTH * LAYOUT_SCALE), "height": round(HEIGHT * LAYOUT_SCALE)})
        images = evenly(recorded(page, STYLES))
    images[0].save(
        args.output,
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / FRAMES_PER_SECOND),
        loop=0,
        quality=QUALITY,
        method=6,
    )


if __name__ == "__main__":
    main()
