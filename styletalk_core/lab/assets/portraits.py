"""Builds the built-in presenters: new faces blended from synthetic portraits, in front of a plain studio backdrop.

Each presenter has the hair, neck and clothes of one synthetic face, the weighted mean shape of three or more, and the
eyes, nose and mouth of different ones. Multi-band blending keeps the skin as sharp as in a photograph. No real person
is shown: the sources are generated faces (SFHQ, MIT licence), and the blend is new.

    python -m styletalk_core.lab.assets.portraits ../shared/data/portraits
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.landmarks import MIRROR
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering import face_mesh
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.matting import foreground_colors
from styletalk_core.rendering.portrait.person_mask import person_mask
from styletalk_core.rendering.portrait.photo import find_landmarks
from styletalk_core.rendering.portrait.portrait import enrol
from styletalk_core.rendering.raster.rasterizer import fill_triangles

SIDE = 896
BANDS = 6
_EVENNESS = 0.75  # 0 keeps the base's complexion, 1 takes the mean of all sources

BROWS = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 336, 296, 334, 293, 300, 276, 283, 282, 295, 285)
NOSE = (6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 327, 64, 294, 129, 358, 49, 279, 48, 278, 122, 351)
NOSE_BRIDGE = (168, 6, 197)
MOUTH = (*face_mesh.UPPER_OUTER_LIP, *face_mesh.LOWER_OUTER_LIP, 57, 287, 18, 200, 43, 273, 164)
REGIONS = {
    "eyes": (*BROWS, 33, 133, 362, 263, 110, 339, 23, 253, 226, 446),
    "nose": NOSE,
    "mouth": MOUTH,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sources of a presenter; names are files of the portraits folder."""

    name: str
    title: str
    base: str  # hair, neck, clothes and the skin outside the regions
    shape: dict[str, float]  # weight of each source in the face shape; sums to 1
    eyes: str
    nose: str
    mouth: str
    backdrop: tuple[int, int, int] | None  # RGB of the studio wall; None keeps the background of the base
    headroom: int = 0  # px added above hair that the source image cuts off
    vividness: float = 1.0  # factor on the colour saturation of the person
    mirrored: bool = False  # in the source of the eyes, replace the right half of the image by the mirrored left half
    shoulder: tuple[int, int, int, int] | None = None  # line x, y, x, y below which a flaw is covered with plain cloth


RECIPES = (
    Recipe(
        "clara", "Clara", "sfhq_2x4_01",
        {"sfhq_2x4_01": 0.40, "sfhq_2x4_02": 0.35, "sfhq_3x6_14": 0.25},
        eyes="sfhq_2x4_02", nose="sfhq_2x4_01", mouth="sfhq_2x4_02", backdrop=(86, 92, 92),
    ),
    Recipe(
        "marcus", "Marcus", "sfhq_2x4_11",
        {"sfhq_2x4_11": 0.50, "sfhq_3x6_10": 0.25, "sfhq_2x4_12": 0.25},
        eyes="sfhq_3x6_10", nose="sfhq_2x4_11", mouth="sfhq_2x4_11", backdrop=(96, 92, 90),
        shoulder=(800, 795, 896, 868), headroom=44, mirrored=True,
    ),
    Recipe(
        "amara", "Amara", "sfhq_2x4_10",
        {"sfhq_2x4_10": 0.40, "sfhq_3x6_14": 0.35, "sfhq_3x6_00": 0.25},
        eyes="sfhq_3x6_14", nose="sfhq_2x4_10", mouth="sfhq_2x4_10", backdrop=None,
    ),
    Recipe(
        "kenji", "Kenji", "sfhq_2x4_12",
        {"sfhq_2x4_12": 0.40, "sfhq_3x6_10": 0.30, "sfhq_1x2_00": 0.30},
        eyes="sfhq_1x2_00", nose="sfhq_3x6_10", mouth="sfhq_2x4_12", backdrop=(150, 156, 160), vividness=0.8,
    ),
    Recipe(
        "malik", "Malik", "sfhq_3x6_11",
        {"sfhq_3x6_11": 0.40, "sfhq_3x6_10": 0.30, "sfhq_2x4_11": 0.30},
        eyes="sfhq_3x6_11", nose="sfhq_3x6_11", mouth="sfhq_2x4_10", backdrop=(120, 124, 130), headroom=52,
    ),
)  # fmt: skip


def aligned(landmarks: Float, onto: Float) -> Float:
    """Aligns landmarks (478, 3) to others with the best 3D rotation, scale and translation (Umeyama)."""
    a, b = landmarks - landmarks.mean(0), onto - onto.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(s) @ sign) / (a**2).sum()
    return np.asarray(scale * a @ rotation.T + onto.mean(0), np.float32)


def weighted(parts: dict[str, Float], shares: dict[str, float]) -> Float:
    """Weighted sum of the parts."""
    return np.asarray(sum(share * parts[name].astype(np.float32) for name, share in shares.items()), np.float32)


def warped(image: Image, landmarks: Float, target: Float) -> Image:
    """Warps a portrait so that its landmarks move to ``target`` (478, 3)."""
    mesh = face_mesh.build_head_mesh(landmarks, SIDE, face_mesh.face_triangles())
    vertices = mesh.vertices.copy()
    shift = target - landmarks
    vertices[: face_mesh.LANDMARKS] = target
    vertices[face_mesh.LANDMARKS :] += mesh.spread @ shift[list(face_mesh.FACE_OVAL)]
    map_x, map_y = np.zeros((2, SIDE, SIDE), np.float32)
    flat, source = (np.ascontiguousarray(points[:, :2]) for points in (vertices, mesh.vertices))
    fill_triangles(flat, source, mesh.triangles, map_x, map_y)
    return cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def made_symmetric(bent: Image, image: Image, landmarks: Float, target: Float) -> Image:
    """Replaces the right half of a warped portrait by the mirror image of its left half."""
    turned = landmarks.copy()
    turned[:, 0] = SIDE - 1 - turned[:, 0]
    other = warped(np.ascontiguousarray(image[:, ::-1]), turned[MIRROR], target)
    bridge = target[list(NOSE_BRIDGE), 0].mean()
    right = np.clip((np.arange(SIDE) - bridge) / 30 + 0.5, 0, 1)[None, :, None]
    return _as_image(bent * (1 - right) + other * right)


def region_mask(target: Float, points: tuple[int, ...], grow: float) -> Float:
    """Soft mask (H, W) over the convex hull of landmarks, grown by a fraction of the inter-ocular distance."""
    unit = face_mesh.eye_distance_px(target)
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(target[list(points), :2].round().astype(np.int32)), 1.0)
    reach = round(grow * unit) | 1
    return cv2.GaussianBlur(cv2.dilate(mask, np.ones((reach, reach))), (0, 0), grow * unit / 3)


def multiband(first: Float, second: Float, mask: Float) -> Float:
    """Multi-resolution spline (Burt and Adelson 1983): ``second`` where ``mask`` (H, W) is 1."""
    if min(mask.shape) < 2**3 or mask.shape[0] <= SIDE >> BANDS:
        return np.asarray(first + (second - first) * mask[..., None], np.float32)
    size = (first.shape[1], first.shape[0])
    small = [cv2.pyrDown(image) for image in (first, second)]
    detail = [image - cv2.pyrUp(low, dstsize=size) for image, low in zip((first, second), small, strict=True)]
    low = multiband(small[0], small[1], cv2.pyrDown(mask))
    return np.asarray(cv2.pyrUp(low, dstsize=size) + detail[0] + (detail[1] - detail[0]) * mask[..., None], np.float32)


def matched_colors(image: Image, like: Image, mask: Float) -> Image:
    """Gives a face the mean and standard deviation of another's Lab colours inside ``mask``."""
    labs = [cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (image, like)]
    inside = mask > 0.5
    (mean, std), (mean_like, std_like) = ((lab[inside].mean(0), lab[inside].std(0)) for lab in labs)
    gain = np.clip(std_like / std, 0.75, 1.3)
    lab = ((labs[0] - mean) * gain + mean_like).astype(np.float32)
    return _as_image(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255)


def evened(canvas: Float, sources: dict[str, Image], recipe: Recipe, target: Float, face: Float) -> Float:
    """Averages the low-frequency skin colours of all sources, which removes blotches of the base."""
    unit = face_mesh.eye_distance_px(target)
    features = np.maximum(region_mask(target, REGIONS["eyes"], 0.05), region_mask(target, REGIONS["mouth"], 0.05))
    skin = cv2.erode(face, np.ones((round(0.12 * unit),) * 2)) * (1 - features)
    like = _as_image(canvas)
    mean = weighted({name: matched_colors(sources[name], like, skin) for name in recipe.shape}, recipe.shape)

    def broad(image: Float) -> Float:
        blur = [cv2.GaussianBlur(part, (0, 0), 0.13 * unit) for part in (image * skin[..., None], skin)]
        return np.asarray(blur[0] / np.maximum(blur[1], 1e-3)[..., None], np.float32)

    lab = cv2.cvtColor(broad(mean) / 255, cv2.COLOR_RGB2LAB)
    typical = np.median(lab[skin > 0.5], axis=0)
    lab[..., 1:] += _EVENNESS * (typical[1:] - lab[..., 1:])
    even = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255
    soft = cv2.GaussianBlur(skin, (0, 0), 0.06 * unit)[..., None]
    return np.asarray(canvas + _EVENNESS * soft * (even - broad(canvas)), np.float32)


def redrawn_shoulder(image: Image, mask: Float, line: tuple[int, int, int, int]) -> tuple[Image, Float]:
    """Replaces the region right of a line's start: plain cloth below the line, background above it."""
    x0, y0, x1, y1 = line
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    depth = y - (y0 + (x - x0) * (y1 - y0) / (x1 - x0))
    here = cv2.GaussianBlur((x > x0).astype(np.float32), (0, 0), 5)
    cloth = np.median(image[y0 + 40 : y0 + 90, x0 - 60 : x0 - 20].reshape(-1, 3), axis=0)
    drawn = cloth * (1 + 0.1 * np.exp(-np.maximum(depth, 0) / 12))[..., None]
    weave = np.random.default_rng(3).normal(0, 6, (SIDE, SIDE)).astype(np.float32)
    drawn += cv2.GaussianBlur(weave, (0, 0), 0.8)[..., None]
    blended = image * (1 - here[..., None]) + drawn * here[..., None]
    mask = mask * (1 - here) + np.clip(depth / 2.5 + 0.5, 0, 1) * here
    return _as_image(blended), mask.astype(np.float32)


def with_headroom(image: Image, mask: Float, room: int) -> tuple[Image, Float]:
    """Adds room above the head and rounds off hair that the upper image edge cuts off."""
    sides = (room, 0, room // 2, room // 2)
    taller = cv2.copyMakeBorder(image, *sides, cv2.BORDER_REFLECT_101)
    taller_mask = cv2.copyMakeBorder(mask, *sides, cv2.BORDER_REPLICATE)
    taller[room:, : room // 2] = taller[room:, room // 2 : room // 2 + 1]
    taller[room:, -(room // 2) :] = taller[room:, -(room // 2) - 1 : -(room // 2)]
    cut = np.flatnonzero(taller_mask[room] > 0.5)
    middle, half = (cut[0] + cut[-1]) / 2, (cut[-1] - cut[0]) / 2 + 1
    x = (np.arange(taller.shape[1]) - middle) / half
    strands = cv2.GaussianBlur(np.random.default_rng(5).normal(0, 11, (1, len(x))).astype(np.float32), (0, 0), 7)[0]
    crown = 0.6 * room * np.cos(np.clip(x, -1, 1) * np.pi / 2) ** 0.8 + strands * (np.abs(x) < 0.97)
    height = room - np.arange(room, dtype=np.float32)[:, None]
    taller_mask[:room] = np.clip((crown - height) / 7 + 0.5, 0, 1) * (np.abs(x) < 1)
    size = (SIDE, SIDE)
    return tuple(cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (taller, taller_mask))  # type: ignore[return-value]


def backdrop(color: tuple[int, int, int]) -> Float:
    """A studio wall of the given colour, lit from the upper left, with slight grain against banding."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    light = 1.16 - 0.42 * np.hypot(x - 0.42, (y - 0.36) * 0.9)
    grain = np.random.default_rng(7).normal(0, 0.8, (SIDE, SIDE, 1))
    return np.asarray(light[..., None] * np.array(color, np.float32) + grain, np.float32)


def _as_image(colors: Float) -> Image:
    return np.asarray(np.clip(colors, 0, 255), np.uint8)


def make(recipe: Recipe, folder: Path) -> Image:
    """Builds one presenter: (896, 896, 3) uint8 RGB."""
    names = {recipe.base, recipe.eyes, recipe.nose, recipe.mouth, *recipe.shape}
    images, marks = {}, {}
    for name in names:
        bgr = cv2.imread(str(folder / f"{name}.jpg"))
        if bgr is None:
            raise InputError(f"{folder} contains no image {name}.jpg")
        square = cv2.resize(bgr, (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4)
        images[name] = cv2.cvtColor(square, cv2.COLOR_BGR2RGB)
        marks[name] = find_landmarks(images[name])
    base = marks[recipe.base]
    placed = {name: aligned(points, base) for name, points in marks.items()}
    target = weighted(placed, recipe.shape)
    # The outline stays close to the base's, so that hair, ears and neck still fit.
    outline = list(face_mesh.FACE_OVAL)
    target[outline] = 0.3 * target[outline] + 0.7 * base[outline]
    # The mouth keeps the shape of its source, so that the lips stay closed.
    lips = sorted({*face_mesh.UPPER_INNER_LIP, *face_mesh.LOWER_INNER_LIP})
    own = placed[recipe.mouth]
    target[lips] = own[lips] - own[lips].mean(0) + target[lips].mean(0)

    bent = {name: warped(images[name], marks[name], target) for name in names}
    if recipe.mirrored:
        bent[recipe.eyes] = made_symmetric(bent[recipe.eyes], images[recipe.eyes], marks[recipe.eyes], target)
    face = region_mask(target, face_mesh.FACE_OVAL, 0.02)
    canvas = bent[recipe.base].astype(np.float32)
    for region in REGIONS:
        source = getattr(recipe, region)
        if source != recipe.base:
            piece = matched_colors(bent[source], bent[recipe.base], face)
            mask = region_mask(target, REGIONS[region], 0.10) * face
            canvas = multiband(canvas, piece.astype(np.float32), mask)
    canvas = evened(canvas, {name: bent[name] for name in recipe.shape}, recipe, target, face)
    image = _as_image(canvas)
    mask = person_mask(image)
    if recipe.shoulder:
        image, mask = redrawn_shoulder(image, mask, recipe.shoulder)
    if recipe.vividness != 1:
        lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        lab[..., 1:] = lab[..., 1:] * recipe.vividness
        image = _as_image(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255)
    if recipe.headroom:
        image, mask = with_headroom(image, mask, recipe.headroom)
    if recipe.backdrop is None:
        return image
    person = foreground_colors(image, mask)
    wall = backdrop(recipe.backdrop)
    return _as_image(person * mask[..., None] + wall * (1 - mask[..., None]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path, help="folder with the sfhq_*.jpg faces")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "portraits")
    parser.add_argument("--only", nargs="*", help="names of presenters to build (default: all)")
    args = parser.parse_args()
    for recipe in RECIPES:
        if args.only and recipe.name not in args.only:
            continue
        image = make(recipe, args.portraits)
        folder = args.out / recipe.name
        with tempfile.TemporaryDirectory() as scratch:
            photo = Path(scratch) / "photo.png"
            cv2.imwrite(str(photo), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            AvatarLibrary(args.out).add(enrol(photo, recipe.name, recipe.title))
        provenance = asdict(recipe) | {"sources": "SFHQ synthetic faces, MIT licence; no real person"}
        (folder / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")


if __name__ == "__main__":
    main()
