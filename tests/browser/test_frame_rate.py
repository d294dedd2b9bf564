"""A minute in the browser: 25 frames per second or more at 512 x 512, 95 % of the intervals below 60 ms."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from browser.conftest import start_call

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quiet_machine")]
SECONDS = 60

COUNT_FRAMES = """async (seconds) => {
  const video = document.getElementById("avatar-video");
  const times = [];
  let counting = true;
  const count = (now, { presentationTime }) => {
    times.push(presentationTime);
    if (counting) video.requestVideoFrameCallback(count);
  };
  video.requestVideoFrameCallback(count);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  counting = false;
  return { times, width: video.videoWidth, height: video.videoHeight };
}"""


@pytest.mark.benchmark
def test_frame_rate(open_page: Callable[..., Page], speaking_browser: Browser, artefacts: Path) -> None:
    page = open_page(speaking_browser)
    start_call(page)
    shown = page.evaluate(COUNT_FRAMES, SECONDS)
    intervals = np.diff(shown["times"])
    figures = {
        "size": [shown["width"], shown["height"]],
        "fps": round(1000 * len(intervals) / float(intervals.sum()), 2),
        "p50_ms": round(float(np.percentile(intervals, 50)), 1),
        "p95_ms": round(float(np.percentile(intervals, 95)), 1),
        "longest_ms": round(float(intervals.max()), 1),
    }
    (artefacts / "frame-rate.json").write_text(json.dumps(figures, indent=2) + "\n")
    assert figures["size"] == [512, 512]
    assert figures["fps"] >= 25, figures
    assert figures["p95_ms"] < 60, figures
