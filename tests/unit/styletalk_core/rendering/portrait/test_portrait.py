"""Photos of every kind become portraits, or are rejected with one sentence."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import register_heif_opener

from styletalk_core.errors import InputError
from styletalk_core.face.head_pose import rotation_matrix
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.portrait import photo
from styletalk_core.rendering.portrait.image_file import load
from styletalk_core.rendering.portrait.portrait import Portrait, enrol, enrol_face
from styletalk_core.rendering.portrait.visibility import check_visible

BUILTIN = AvatarLibrary(Path("does-not-exist"))


@pytest.fixture(scope="module")
def face() -> Image.Image:
    """A built-in presenter as a photo."""
    return Image.fromarray(BUILTIN.get("marcus").image)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_every_presenter_is_sharp_and_closed_mouthed() -> None:
    assert len(BUILTIN.names()) >= 4
    for name in BUILTIN.names():
        portrait = BUILTIN.get(name)
        assert portrait.image.shape[0] >= 768
        unit = np.linalg.norm(portrait.landmarks[33] - portrait.landmarks[263])
        assert abs(portrait.landmarks[14, 1] - portrait.landmarks[13, 1]) < 0.02 * unit
        assert (Path("styletalk_core/portraits") / name / "provenance.json").exists()


def test_enrolment_finds_the_same_face_again(face: Image.Image, tmp_path: Path) -> None:
    portrait = enrol(saved(face, tmp_path / "a.png"), size=256)
    assert portrait.name == "a" and portrait.title == "A" and portrait.size == 256
    assert portrait.image.shape == (448, 448, 3) and portrait.mask.shape == (448, 448)
    known = BUILTIN.get("marcus")
    scale = 448 / known.image.shape[0]
    assert np.abs(portrait.landmarks[:, :2] - known.landmarks[:, :2] * scale).mean() < 2
    assert portrait.mask[224, 224] == 255 and portrait.mask[5, 5] < 20


def test_exif_rotation_is_undone(face: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    path = saved(face.rotate(90), tmp_path / "turned.jpg", exif=exif)
    upright = enrol(path, size=256).landmarks
    assert upright[152, 1] > upright[10, 1] + 50


@pytest.mark.parametrize("kind", ["cmyk", "sixteen_bit", "animated", "transparent", "palette"])
def test_unusual_images_work(face: Image.Image, tmp_path: Path, kind: str) -> None:
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
    assert enrol(path, size=256).image.shape == (448, 448, 3)


@pytest.mark.parametrize(
    ("name", "format"), [("a.heic", "HEIF"), ("a.avif", "AVIF"), ("a.jfif", "JPEG"), ("a.gif", "GIF")]
)
def test_photos_of_phones_and_the_web_are_read(face: Image.Image, tmp_path: Path, name: str, format: str) -> None:
    register_heif_opener()
    read = load(saved(face, tmp_path / name, format=format))
    assert read.shape == (face.height, face.width, 3)
    assert np.abs(read.astype(int) - np.asarray(face.convert("RGB"))).mean() < 12


def test_of_several_faces_the_largest_is_taken_or_another_by_its_number(face: Image.Image, tmp_path: Path) -> None:
    other = Image.fromarray(BUILTIN.get("clara").image).resize((face.width * 2 // 3, face.height * 2 // 3))
    group = Image.new("RGB", (face.width + other.width, face.height), (235, 235, 235))
    group.paste(face, (0, 0))
    group.paste(other, (face.width, 0))
    path = saved(group, tmp_path / "group.png")

    def shape(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = landmarks[:, :2] - landmarks[:, :2].mean(0)
        return (centred / centred.std()).astype(np.float32)

    known = {name: shape(BUILTIN.get(name).landmarks) for name in BUILTIN.names()}
    for number, name in ((1, "marcus"), (2, "clara")):
        taken = enrol_face(path, size=256, number=number)
        away = {other: np.abs(shape(taken.portrait.landmarks) - known[other]).mean() for other in known}
        assert taken.faces == 2 and min(away, key=lambda other: away[other]) == name
    with pytest.raises(InputError, match="shows 2 faces: there is no face 3"):
        enrol_face(path, number=3)


def test_bad_images_are_rejected_with_a_sentence(face: Image.Image, tmp_path: Path) -> None:
    wall = Image.fromarray(np.full((400, 400, 3), 128, np.uint8))
    tiny = wall.copy()
    tiny.paste(face.resize((90, 90)), (150, 150))
    half = face.crop((0, 0, face.width // 2 - 40, face.height))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(saved(face, tmp_path / "whole.jpg").read_bytes()[:9000])
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    cases = {
        saved(wall, tmp_path / "wall.png"): "no face",
        saved(tiny, tmp_path / "tiny.png"): "pixels high",
        saved(half, tmp_path / "half.png"): "face",
        cut: "not an image",
        text: "not an image",
        tmp_path / "missing.jpg": "no file",
    }
    for path, reason in cases.items():
        with pytest.raises(InputError, match=reason):
            enrol(path)


def with_glasses(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> None:
    unit = np.linalg.norm(landmarks[33, :2] - landmarks[263, :2])
    for corners in ([33, 133], [362, 263]):
        x, y = landmarks[corners, :2].mean(0)
        axes = (int(0.30 * unit), int(0.22 * unit))
        cv2.ellipse(image, (int(x), int(y + 0.05 * unit)), axes, 0, 0, 360, (30, 26, 24), -1, cv2.LINE_AA)


def with_mask(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> None:
    edge = [195, 117, 123, 147, 58, 172, 136, 150, 149, 152, 378, 379, 365, 397, 288, 376, 352, 346]
    cv2.fillPoly(image, [landmarks[edge, :2].round().astype(np.int32)], (128, 170, 205), cv2.LINE_AA)


def with_hand(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> None:
    unit = np.linalg.norm(landmarks[33, :2] - landmarks[263, :2])
    x, y = landmarks[50, :2].round().astype(int)
    skin = image[y - 5 : y + 6, x - 5 : x + 6].reshape(-1, 3).mean(0)
    for finger in range(4):
        center = (int(landmarks[13, 0]), int(landmarks[0, 1] + (finger - 0.6) * 0.13 * unit))
        color = tuple(float(value) for value in skin * (0.92 + 0.04 * finger))
        cv2.ellipse(image, center, (int(0.5 * unit), int(0.08 * unit)), 0, 0, 360, color, -1, cv2.LINE_AA)


@pytest.mark.parametrize("name", BUILTIN.names())
@pytest.mark.parametrize(
    ("cover", "reason"), [(with_glasses, "eyes are covered"), (with_mask, "mouth is covered"), (with_hand, "mouth is")]
)
def test_a_covered_face_is_refused(name: str, cover: Callable[..., None], reason: str) -> None:
    portrait = BUILTIN.get(name)
    check_visible(portrait.image, portrait.landmarks)
    covered = portrait.image.copy()
    cover(covered, portrait.landmarks)
    with pytest.raises(InputError, match=reason):
        check_visible(covered, portrait.landmarks)


@pytest.mark.parametrize("cover", [with_glasses, with_mask])
def test_a_photo_of_a_covered_face_never_becomes_a_portrait(
    face: Image.Image, tmp_path: Path, cover: Callable[..., None]
) -> None:
    """Whether the tracker still finds a face there or not."""
    covered = np.asarray(face).copy()
    cover(covered, BUILTIN.get("marcus").landmarks)
    with pytest.raises(InputError, match=r"covered|no face"):
        enrol(saved(Image.fromarray(covered), tmp_path / "a.png"), size=256)


def test_a_photo_of_twenty_megapixels_is_enrolled(face: Image.Image, tmp_path: Path) -> None:
    large = Image.new("RGB", (5200, 3900), (120, 125, 130))
    large.paste(face.resize((2400, 2400)), (1400, 900))
    portrait = enrol(saved(large, tmp_path / "large.jpg", quality=80), size=512)
    assert 512 <= portrait.image.shape[0] <= 896


def drawing(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    flat = cv2.bilateralFilter(image, 9, 80, 9) // 43 * 43
    edges = cv2.adaptiveThreshold(
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 15, 6
    )
    return np.minimum(flat, edges[..., None])


def statue(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    gray = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)).astype(np.float32)
    return np.repeat((150 + 0.3 * gray).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("made", [drawing, statue])
def test_a_drawing_or_a_statue_works_or_is_refused(
    face: Image.Image, tmp_path: Path, made: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    """What is enrolled has its landmarks where the face is, so that nothing is distorted."""
    path = saved(Image.fromarray(made(np.asarray(face))), tmp_path / "a.png")
    try:
        portrait = enrol(path, size=256)
    except InputError as refusal:
        assert "\n" not in str(refusal)
        return
    scale = portrait.image.shape[0] / face.width
    expected = BUILTIN.get("marcus").landmarks[:, :2] * scale
    assert np.abs(portrait.landmarks[:, :2] - expected).mean() < 4


@pytest.mark.parametrize("turn", [(0.0, 0.7), (0.0, -0.7), (0.7, 0.0)])
def test_a_face_that_looks_away_is_refused(monkeypatch: pytest.MonkeyPatch, turn: tuple[float, float]) -> None:
    portrait = BUILTIN.get("marcus")
    center = portrait.landmarks.mean(0)
    turned = (portrait.landmarks - center) @ rotation_matrix(*turn, 0.0).T + center
    monkeypatch.setattr(photo, "find_faces", lambda rgb: [turned.astype(np.float32)])
    with pytest.raises(InputError, match="turned away"):
        photo.cropped_face(portrait.image, 256)


def test_a_stored_portrait_comes_back(tmp_path: Path) -> None:
    library = AvatarLibrary(tmp_path)
    portrait = BUILTIN.get("clara")
    mine = Portrait("mine", "My face", 256, portrait.image, portrait.mask, portrait.landmarks, portrait.triangles)
    library.add(mine)
    assert library.names() == [*BUILTIN.names(), "mine"] and not library.is_builtin("mine")
    again = library.get("mine")
    assert (again.title, again.size) == ("My face", 256)
    assert np.array_equal(again.landmarks, mine.landmarks) and np.array_equal(again.mask, mine.mask)
    assert np.abs(again.image.astype(int) - mine.image).mean() < 1.5
    image = cv2.imdecode(np.frombuffer(again.thumbnail(96), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None and image.shape == (96, 96, 3)
    library.remove("mine")
    assert library.names() == BUILTIN.names() and not list(tmp_path.iterdir())


def test_the_library_refuses_what_it_does_not_have(tmp_path: Path) -> None:
    library = AvatarLibrary(tmp_path)
    with pytest.raises(InputError, match="no avatar called 'nobody'"):
        library.get("nobody")
    with pytest.raises(InputError, match="built in"):
        library.remove("clara")
    with pytest.raises(InputError, match=r"no avatar called '../clara'"):
        library.get("../clara")
    (tmp_path / "broken").mkdir()
    whole = library.add(replace(BUILTIN.get("clara"), name="whole")).read_bytes()
    for damage in (b"no archive", whole[:5000], whole[:2000] + bytes(2000) + whole[4000:]):
        (tmp_path / "broken" / "portrait.npz").write_bytes(damage)
        with pytest.raises(InputError, match=r"^the avatar broken is damaged: add it again$"):
            library.get("broken")
