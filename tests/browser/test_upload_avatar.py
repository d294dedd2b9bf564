"""A photo uploaded on the page becomes an avatar that the running call can show; it takes its teeth from a smile."""

import base64
import os
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, expect
from waiting import blocking_until

from browser.conftest import start_call, wait_until
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.teeth import with_teeth
from styletalk_core.rendering.mesh_renderer import MeshRenderer

APPLIED = "styletalk.events.filter(({ type, avatar }) => type === 'avatar.applied' && avatar === 'me').length"
TILE = "document.querySelector('#styles input[value=happy] + img')"
DROP = """async ([name, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const how = { dataTransfer: files, bubbles: true, cancelable: true };
  const event = (type) => document.body.dispatchEvent(new DragEvent(type, how));
  event("dragover");
  const hinted = !document.getElementById("drop-hint").hidden;
  event("drop");
  return hinted && document.getElementById("drop-hint").hidden;
}"""


def photo(path: Path, presenter: str) -> Path:
    image = AvatarLibrary(Path("none")).get(presenter).image
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def test_a_photo_becomes_an_avatar_in_the_running_call(page: Page, tmp_path: Path) -> None:
    start_call(page)
    page.set_input_files("#upload-avatar-file", photo(tmp_path / "My Photo.jpg", "marcus"))
    chosen = page.locator("#avatars input[value=my_photo]")
    expect(chosen).to_be_checked()
    wait_until(page, "styletalk.events.some(({ type, avatar }) => type === 'avatar.applied' && avatar === 'my_photo')")
    wait_until(page, "[...document.querySelectorAll('#avatars img')].at(-1).naturalWidth > 0")
    assert "my_photo" in str(page.locator("#poster").get_attribute("src"))
    page.click("#remove-avatar")
    expect(chosen).to_have_count(0)
    wait_until(page, "styletalk.events.findLast(({ type }) => type === 'avatar.applied').avatar === 'clara'")
    expect(page.locator("#remove-avatar")).to_be_hidden()


def smile(path: Path, presenter: str) -> Path:
    """A presenter with a wide open mouth and teeth of the bank."""
    renderer = MeshRenderer(with_teeth(AvatarLibrary(Path("none")).get(presenter), 3), 768)
    opened, still = 4 * np.eye(1, 64, dtype=np.float32)[0], np.zeros(6, np.float32)
    image = renderer.render_rgb(opened, still, still[:2], 0.0)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def test_a_smile_gives_its_teeth_to_the_avatar_of_the_running_call(page: Page, tmp_path: Path) -> None:
    """A photo without teeth is explained and changes nothing; the tiles show the styles with the new teeth."""
    closed = photo(tmp_path / "me.jpg", "marcus")
    avatars = AvatarLibrary(Path(os.environ["STYLETALK_HOME"]) / "avatars")
    said, tile = page.locator("#upload-avatar-said"), f"fetch({TILE}.src).then((answer) => answer.text())"
    start_call(page)
    expect(page.locator("#upload-smile")).to_be_hidden()
    page.set_input_files("#upload-avatar-file", closed)
    expect(page.locator("#avatars input[value=me]")).to_be_checked()
    wait_until(page, f"{APPLIED} === 1 && {TILE}.complete && {TILE}.src.includes('avatar=me')")
    before = page.evaluate(tile)

    page.set_input_files("#upload-smile-file", closed)
    expect(said).to_contain_text("it shows no whole row of upper teeth")
    assert avatars.get("me").teeth is None

    with page.expect_file_chooser() as chooser:
        page.click("#upload-smile")
    chooser.value.set_files(smile(tmp_path / "smile.png", "marcus"))
    expect(said).to_contain_text("The avatar has the teeth of the photo.")
    wait_until(page, f"{APPLIED} === 2")
    assert avatars.get("me").teeth is not None
    blocking_until(lambda: page.evaluate(tile) != before)
    page.click("#remove-avatar")
    expect(page.locator("#upload-smile")).to_be_hidden()


def test_a_dropped_file_goes_where_it_belongs(page: Page) -> None:
    """An image is uploaded as a photo; an image without a face is explained next to the avatars."""
    page.wait_for_selector("#avatars input", state="attached")
    _, grey = cv2.imencode(".jpg", cv2.merge([cv2.getGaussianKernel(64, 9)] * 3))
    assert page.evaluate(DROP, ["wall.jpg", base64.b64encode(grey.tobytes()).decode()])
    expect(page.locator("#upload-avatar-said")).to_have_text("No face was found in the image.")
