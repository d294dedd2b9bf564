"""A clip uploaded on the page becomes a style that is selected at once; an unusable clip is explained."""

import re
from pathlib import Path

from face_videos import talking_frames, write_video
from playwright.sync_api import Page, expect


def test_a_clip_becomes_a_style_and_a_bad_one_a_sentence(page: Page, tmp_path: Path) -> None:
    page.wait_for_selector("#styles input", state="attached")
    page.set_input_files("#upload-style-file", write_video(tmp_path / "short.mp4", talking_frames()[:30]))
    expect(page.locator("#upload-style-said")).to_have_text("Uploaded clip lasts 1.0 s; at least 2 s are needed.")
    page.set_input_files("#upload-style-file", write_video(tmp_path / "My talk, 1.mp4", talking_frames()))
    expect(page.locator("#styles input[value=my_talk_1]")).to_be_checked()
    expect(page.locator("#upload-style-said")).to_have_text(
        re.compile("^Added from 75 frames; the head does not move in it;")
    )
    gone = "fetch('api/styles/my_talk_1', { method: 'DELETE' }).then((answer) => answer.status)"
    assert page.evaluate(gone) == 204
