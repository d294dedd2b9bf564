"""Names of any length stay in their tiles, labels of the style map do not overlap, and uploads show their progress."""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import pytest
from face_videos import noise_frames
from playwright.sync_api import Browser, Page, expect

from styletalk_core.library.styles import EMOTIONS

MANNERS = ("conversational", "newsreader", "animated", "whispered")
OWN_STYLES = (
    "interview-with-anna-2024-03",
    "interview-with-anna-2024-04",
    "pneumonoultramicroscopicsilicovolcanocon",
    "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
    "a",
    "Großmutter_liest_vor_und_lacht_dabei",
    "news_of_the_day_in_the_evening",
    "tired",
    "on_the_telephone",
    "x1",
)
BOXES = """(selector) => [...document.querySelectorAll(selector)].map((element) => {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  const seen = getComputedStyle(element).visibility !== "hidden";
  return { left, top, right, bottom, seen, text: element.textContent };
})"""
LISTEN = """(selector) => {
  const said = document.querySelector(selector);
  window.said = new Set();
  const listen = () => said.childNodes.forEach((line) => window.said.add(line.textContent));
  new MutationObserver(listen).observe(said, { childList: true, subtree: true, characterData: true });
}"""
TWO_FRAMES = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
"""A resize is observed with the next frame that is drawn."""
Box = dict[str, Any]


@pytest.fixture
def own_styles(empty_home: None) -> Iterator[None]:
    """Ten styles of the user's, copies of the shipped ones, so that they lie just where those do."""
    folder, presets = Path(os.environ["STYLETALK_HOME"]) / "styles", Path(str(files("styletalk_core") / "presets"))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.style.npz" for name in OWN_STYLES]
    for path, preset in zip(paths, (*EMOTIONS, "animated", "whispered"), strict=True):
        shutil.copy(presets / f"{preset}.style.npz", path)
    yield
    for path in paths:
        path.unlink()


def boxes(page: Page, selector: str) -> list[Box]:
    found: list[Box] = page.evaluate(BOXES, selector)
    return found


def overlapping(found: list[Box], slack: float = 0.5) -> list[tuple[str, str]]:
    """Pairs of boxes that share more than a line of pixels."""
    return [
        (a["text"], b["text"])
        for k, a in enumerate(found)
        for b in found[k + 1 :]
        if a["left"] + slack < b["right"]
        and b["left"] + slack < a["right"]
        and a["top"] + slack < b["bottom"]
        and b["top"] + slack < a["bottom"]
    ]


@pytest.mark.parametrize("width", [1440, 1100, 390])
def test_no_label_of_the_style_map_covers_another(
    own_styles: None, open_page: Callable[..., Page], speaking_browser: Browser, width: int
) -> None:
    """On the shipped styles and ten more at the very same places, also after the window has changed its size."""
    page = open_page(speaking_browser, viewport={"width": 1440, "height": 900})
    page.wait_for_selector("#styles input", state="attached")
    page.click("#view-map")
    page.wait_for_selector(".map-place span")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(TWO_FRAMES)
    labels = boxes(page, ".map-place span")
    assert len(labels) == len(EMOTIONS) + len(MANNERS) + len(OWN_STYLES)
    assert all(label["seen"] for label in labels), "there is room for all of them"
    assert not overlapping(labels)
    (field,) = boxes(page, "#map-field")
    for label in labels:
        assert field["left"] <= label["left"] and label["right"] <= field["right"], label
        assert field["top"] <= label["top"] and label["bottom"] <= field["bottom"], label
    tooltip = page.locator(".map-place", has_text="Pneumono").get_attribute("title")
    assert tooltip == "Pneumonoultramicroscopicsilicovolcanocon"


@pytest.mark.parametrize("width", [1440, 1280, 768, 360])
def test_no_name_of_a_built_in_style_breaks_in_bold(
    open_page: Callable[..., Page], speaking_browser: Browser, width: int
) -> None:
    page = open_page(speaking_browser, viewport={"width": width, "height": 900})
    page.wait_for_selector("#styles input", state="attached")
    page.add_style_tag(content="#styles .tile { font-weight: 560; }")
    names = boxes(page, "#styles .tile span")
    assert len(names) == len(EMOTIONS) + len(MANNERS)
    assert len({round(name["bottom"] - name["top"]) for name in names}) == 1
    assert not overlapping(names)


@pytest.mark.parametrize("width", [1440, 390])
def test_names_of_any_length_neither_widen_the_panel_nor_push_thumbnails_out(
    own_styles: None, open_page: Callable[..., Page], speaking_browser: Browser, width: int
) -> None:
    page = open_page(speaking_browser, viewport={"width": width, "height": 900})
    page.wait_for_selector("#styles input", state="attached")
    panel = boxes(page, "section.panel")[0]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    tiles, images = boxes(page, "#styles .tile"), boxes(page, "#styles .tile img")
    assert len(tiles) == len(EMOTIONS) + len(MANNERS) + len(OWN_STYLES) and not overlapping(tiles)
    widths = {round(picture["right"] - picture["left"]) for picture in images}
    assert len(widths) == 1, f"thumbnails differ in width: {widths}"
    for box in (*tiles, *images, *boxes(page, "#styles .tile span")):
        assert panel["left"] < box["left"] and box["right"] < panel["right"], box
    long = page.locator("#styles .tile", has_text="Interview-with-anna-2024-03")
    assert long.get_attribute("title") == "Interview-with-anna-2024-03"


def picture(path: Path) -> Path:
    cv2.imwrite(str(path), noise_frames(1)[0])
    return path


def test_two_uploads_at_once_queue_and_each_shows_its_position_and_result(page: Page, tmp_path: Path) -> None:
    """A valid image, then another with the same name and an unreadable one, all uploaded without waiting."""
    (tmp_path / "other").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    sent = [picture(tmp_path / "wall.png"), picture(tmp_path / "other" / "wall.png"), tmp_path / "broken.jpg"]
    page.wait_for_selector("#backgrounds input", state="attached")
    page.evaluate(LISTEN, "#upload-background-said")
    for path in sent:
        page.set_input_files("#upload-background-file", path)
    lines = page.locator("#upload-background-said .status-line")
    expect(lines).to_have_text(
        [
            "wall.png: Added.",
            "wall.png: Added.",
            "broken.jpg: Uploaded image is not an image that can be read.",
        ],
    )
    said = page.evaluate("[...window.said]")
    assert any(line.startswith("broken.jpg: Waiting for ") for line in said), said
    expect(page.locator("#upload-background-said .failed")).to_have_count(1)
    for name in ("wall", "wall_2"):
        expect(page.locator(f"#backgrounds input[value={name}]")).to_have_count(1)
        gone = f"fetch('api/backgrounds/{name}', {{ method: 'DELETE' }}).then((answer) => answer.status)"
        assert page.evaluate(gone) == 204
