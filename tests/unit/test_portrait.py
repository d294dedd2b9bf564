"""Photos of every kind become portraits, or are refused in one sentence."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from styletalk_core.errors import InputError
from styletalk_core.head_pose import rotation_matrix
from styletalk_core.renderer import photo
from styletalk_core.renderer.portrait import AvatarLibrary, Portrait, enrol

BUILTIN = AvatarLibrary(Path("does-not-exist"))


@pytest.fixture(scope="module")
def face() -> Image.Image:
    """A built-in presenter as a photo."""
    return Image.fromarray(BUILTIN.get("marcus").picture)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_every_presenter_is_sharp_and_closed_mouthed() -> None:
    assert len(BUILTIN.names()) >= 4
    for name in BUILTIN.names():
        portrait = BUILTIN.get(name)
        assert portrait.picture.shape[0] >= 768
        unit = np.linalg.norm(portrait.landmarks[33] - portrait.landmarks[263])
        assert abs(portrait.landmarks[14, 1] - portrait.landmarks[13, 1]) < 0.02 * unit
        assert (Path("styletalk_core/portraits") / name / "provenance.json").exists()


def test_enrolment_finds_the_same_face_again(face: Image.Image, tmp_path: Path) -> None:
    portrait = enrol(saved(face, tmp_path / "a.png"), size=256)
    assert portrait.name == "a" and portrait.title == "A" and portrait.size == 256
    assert portrait.picture.shape == (448, 448, 3) and portrait.mask.shape == (448, 448)
    known = BUILTIN.get("marcus")
    scale = 448 / known.picture.shape[0]
    assert np.abs(portrait.landmarks[:, :2] - known.landmarks[:, :2] * scale).mean() < 2
    assert portrait.mask[224, 224] == 255 and portrait.mask[5, 5] < 20


def test_exif_rotation_is_undone(face: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    path = saved(face.rotate(90), tmp_path / "turned.jpg", exif=exif)
    upright = enrol(path, size=256).landmarks
    assert upright[152, 1] > upright[10, 1] + 50


@pytest.mark.parametrize("kind", ["cmyk", "sixteen_bit", "animated", "transparent", "palette"])
def test_unusual_pictures_work(face: Image.Image, tmp_path: Path, kind: str) -> None:
    if kind == "cmyk":
        path = saved(face.convert("CMYK"), tmp_path / "a.jpg")
    elif kind == "sixteen_bit":
        gray = np.asarray(face.convert("L"), np.uint16) * 257
        path = saved(Image.fromarray(gray), tmp_path / "a.png")
    elif kind == "animated":
        path = saved(face, tmp_path / "a.gif", save_all=True, append_images=[face.rotate(5)])
    elif kind == "transparent":
        rgba = face.convert("RGBA")
        path = saved(rgba, tmp_path / "a.png")
    else:
        path = saved(face.convert("P"), tmp_path / "a.png")
    assert enrol(path, size=256).picture.shape == (448, 448, 3)


def test_bad_pictures_are_refused_with_a_sentence(face: Image.Image, tmp_path: Path) -> None:
    wall = Image.fromarray(np.full((400, 400, 3), 128, np.uint8))
    tiny = wall.copy()
    tiny.paste(face.resize((90, 90)), (150, 150))
    half = face.crop((0, 0, face.width // 2 - 40, face.height))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(saved(face, tmp_path / "whole.jpg").read_bytes()[:9000])
    text = tmp_path / "text.jpg"
    text.write_text("not a picture")
    cases = {
        saved(wall, tmp_path / "wall.png"): "no face",
        saved(tiny, tmp_path / "tiny.png"): "pixels high",
        saved(half, tmp_path / "half.png"): "face",
        cut: "not a picture",
        text: "not a picture",
        tmp_path / "missing.jpg": "no file",
    }
    for path, reason in cases.items():
        with pytest.raises(InputError, match=reason):
            enrol(path)


@pytest.mark.parametrize("turn", [(0.0, 0.7), (0.0, -0.7), (0.7, 0.0)])
def test_a_face_that_looks_away_is_refused(monkeypatch: pytest.MonkeyPatch, turn: tuple[float, float]) -> None:
    portrait = BUILTIN.get("marcus")
    center = portrait.landmarks.mean(0)
    turned = (portrait.landmarks - center) @ rotation_matrix(*turn, 0.0).T + center
    monkeypatch.setattr(photo, "find_landmarks", lambda rgb: turned.astype(np.float32))
    with pytest.raises(InputError, match="turned away"):
        photo.cropped_face(portrait.picture, 256)


def test_a_stored_portrait_comes_back(tmp_path: Path) -> None:
    library = AvatarLibrary(tmp_path)
    portrait = BUILTIN.get("clara")
    mine = Portrait("mine", "My face", 256, portrait.picture, portrait.mask, portrait.landmarks, portrait.triangles)
    library.add(mine)
    assert library.names() == [*BUILTIN.names(), "mine"] and not library.is_builtin("mine")
    again = library.get("mine")
    assert (again.title, again.size) == ("My face", 256)
    assert np.array_equal(again.landmarks, mine.landmarks) and np.array_equal(again.mask, mine.mask)
    assert np.abs(again.picture.astype(int) - mine.picture).mean() < 1.5
    picture = cv2.imdecode(np.frombuffer(again.thumbnail(96), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (96, 96, 3)
    library.remove("mine")
    assert library.names() == BUILTIN.names() and not list(tmp_path.iterdir())


def test_the_library_refuses_what_it_does_not_have(tmp_path: Path) -> None:
    library = AvatarLibrary(tmp_path)
    with pytest.raises(InputError, match="no avatar called 'nobody'"):
        library.get("nobody")
    with pytest.raises(InputError, match="built in"):
        library.remove("clara")
    with pytest.raises(InputError, match="not a name"):
        library.get("../clara")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "portrait.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="damaged"):
        library.get("broken")
