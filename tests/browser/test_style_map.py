"""The point on the style map blends the surrounding styles, by mouse and keyboard, in the received face."""

import base64
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from playwright.sync_api import FloatRect, Page, expect
from waiting import blocking_until

from browser.conftest import PATIENCE, PREFERENCES, start_call, wait_until
from styletalk_core.face.head_pose import fit_head
from styletalk_core.face.tracker import FaceTracker

STILLS = 16
TAKE_STILL = """() => {
  const video = document.getElementById("avatar-video");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 320;
  canvas.getContext("2d").drawImage(video, 0, 0, 320, 320);
  return canvas.toDataURL("image/jpeg", 0.95).split(",")[1];
}"""
APPLIED = "styletalk.events.findLast(({ type }) => type === 'style.applied')"


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    with FaceTracker() as tracker:
        yield tracker


def stills(page: Page, tracker: FaceTracker) -> np.ndarray:
    """Landmarks (STILLS, 478, 3) of the received face, a quarter of a second apart."""
    faces = []
    for _ in range(STILLS):
        jpeg = base64.b64decode(page.evaluate(TAKE_STILL))
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        faces.append(tracker.track_image(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))
        page.wait_for_timeout(250)
    return np.stack(faces)


def mouth_width(landmarks: np.ndarray) -> float:
    """Upper quartile of the widths from corner to corner, without the head's motion."""
    lips = fit_head(landmarks, np.median(landmarks, axis=0)).remove(landmarks)
    return float(np.percentile(np.linalg.norm(lips[:, 61] - lips[:, 291], axis=1), 75))


def middle(page: Page, *styles: str) -> tuple[float, float]:
    """The page's point between the dots of styles."""
    dots: list[FloatRect] = []
    for title in styles:
        box = page.locator(".map-place", has_text=title).locator("i").bounding_box()
        assert box is not None
        dots.append(box)
    return (
        sum(box["x"] + box["width"] / 2 for box in dots) / len(dots),
        sum(box["y"] + box["height"] / 2 for box in dots) / len(dots),
    )


def test_dragging_blends_neighbours_and_widens_the_mouth(page: Page, tracker: FaceTracker) -> None:
    """Smiles widen the mouth by a fifth; from one neutral sentence to the next its width changes by a fiftieth."""
    page.wait_for_selector("#start:enabled")
    page.locator("#intensity").fill("1.5")
    page.evaluate("document.querySelector('#styles input[value=neutral]').click()")
    start_call(page)
    page.click("#view-map")
    neutral = stills(page, tracker)
    page.mouse.move(*middle(page, "Neutral"))
    page.mouse.down()
    page.mouse.move(*middle(page, "Happy", "Animated"), steps=8)
    page.mouse.up()
    wait_until(page, f"{APPLIED}?.weights?.happy > 0.3 && {APPLIED}.weights.animated > 0.3")
    applied = page.evaluate(APPLIED)
    assert applied["style"] is None and applied["frame"] > 0
    assert sum(applied["weights"].values()) == pytest.approx(1)
    expect(page.locator("#map-said")).to_contain_text("Happy")
    expect(page.locator("#styles input:checked")).to_have_count(0)
    blocking_until(lambda: mouth_width(stills(page, tracker)) > 1.08 * mouth_width(neutral), PATIENCE / 1000)


def test_arrow_keys_move_the_point_and_a_chosen_style_takes_it_along(page: Page) -> None:
    page.wait_for_selector("#styles input", state="attached")
    page.click("#view-map")
    page.wait_for_selector(".map-place span")
    point = page.get_by_role("slider", name="Blend of styles")
    expect(point).to_have_attribute("aria-valuetext", "Conversational 100 %")
    point.focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect(point).not_to_have_attribute("aria-valuetext", "Conversational 100 %")
    told = point.get_attribute("aria-valuetext")
    start_call(page)
    wait_until(page, f"{APPLIED}?.weights !== undefined")
    strongest = max(page.evaluate(APPLIED)["weights"].items(), key=lambda item: item[1])[0]
    assert told is not None and told.startswith(strongest.capitalize())
    page.keyboard.press("2")
    expect(point).to_have_attribute("aria-valuetext", "Happy 100 %")
    wait_until(page, f"{APPLIED}.style === 'happy'")


def test_a_blend_survives_a_reload(page: Page) -> None:
    page.wait_for_selector("#styles input", state="attached")
    page.click("#view-map")
    page.wait_for_selector(".map-place span")
    page.mouse.click(*middle(page, "Sad", "Fearful", "Surprised"))
    wait_until(page, f"{PREFERENCES}.style === null")
    told = page.inner_text("#map-said")
    assert "Neutral" not in told
    page.reload()
    expect(page.locator("#map-said")).to_have_text(told)
    start_call(page)
    wait_until(page, f"{APPLIED}?.weights !== undefined")
