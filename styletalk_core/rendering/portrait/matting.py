"""Alpha matting: the soft outline of a person from a coarse mask, and the colours of the person along it.

Closed-form matting (Levin, Lischinski and Weiss 2008), its Laplacian applied by box filters (He, Sun and Tang 2010),
with the data term of robust matting (Wang and Cohen 2007): where the colours of person and background differ clearly,
a pixel's own colour says how much of the person it shows.
Runs on: any thread, at enrolment only (about 2 s); pure.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.push_pull import fill_in

_SIDE: Final = 512  # px; larger photos are solved at this size and the solution is carried over to the full one
_EPSILON: Final = 1e-6  # regularizes the local linear models; squared colour, 0..1
_INSIDE, _OUTSIDE = 0.035, 0.06  # distances from the coarse outline at which all is person, all background, in heights
_CLOSE: Final = 0.012  # distance up to which anything may be opaque and beyond which only strands may, in heights
_STRAND: Final = 0.016  # width of the broadest strand, in heights
_COLOR_WEIGHT: Final = 0.3  # of the data term where the colours are certain, relative to the Laplacian
_MASK_WEIGHT: Final = 0.1  # of the coarse mask where the colours say nothing
_PLACE_WEIGHT_INSIDE, _PLACE_WEIGHT_OUTSIDE = 0.15, 0.05  # of the coarse mask where the certain regions begin
_NOISE: Final = 0.04  # standard deviation of a colour that does not count as a difference, 0..1
_CERTAIN: Final = 10.0  # squared distance of two colours at which half the weight is reached, in their variances
_CLEAR, _OPAQUE = 0.05, 0.9  # solved values that count as background and as person
_ATTACHED: Final = 0.1  # least opacity that attaches a strand to the person
_ITERATIONS, _TOLERANCE = 60, 1e-3  # of the conjugate gradients; relative residual


class _LinearModels:
    """Linear models of alpha in the colours of each 3 x 3 window of an image, as in a guided filter."""

    def __init__(self, image: Float) -> None:
        """Takes colours (H, W, 3), 0..1."""
        self._image = image - 0.5  # smaller squares, hence smaller rounding errors
        self._mean = _box(self._image)
        moments = np.empty((*image.shape[:2], 3, 3), np.float32)
        for i in range(3):
            moments[..., i, :] = _box(self._image[..., i : i + 1] * self._image)
        moments -= self._mean[..., :, None] * self._mean[..., None, :]
        self._inverse = np.linalg.inv(moments + _EPSILON * np.eye(3, dtype=np.float32))

    def _fit(self, alpha: Float) -> tuple[Float, Float]:
        """Return slope (H, W, 3) and offset (H, W) of the models around each pixel."""
        mean = _box(alpha)
        covariance = _box(self._image * alpha[..., None]) - self._mean * mean[..., None]
        slope = np.einsum("hwij,hwj->hwi", self._inverse, covariance)
        return _box(slope), _box(mean - (slope * self._mean).sum(-1))

    def laplacian(self, alpha: Float) -> Float:
        """Return the product of the matting Laplacian and ``alpha`` (H, W), per pixel of a window."""
        slope, offset = self._fit(alpha)
        return np.asarray(alpha - (slope * self._image).sum(-1) - offset, np.float32)

    def enlarged(self, alpha: Float, image: Float) -> Float:
        """Return ``alpha`` (H, W) at the size of ``image`` (H', W', 3), 0..1, following its edges."""
        slope, offset = (cv2.resize(part, image.shape[1::-1]) for part in self._fit(alpha))
        return np.asarray((slope * (image - 0.5)).sum(-1) + offset, np.float32)


@dataclass(frozen=True, slots=True)
class _Expected:
    """Expected alpha of each pixel (H, W), its weight against the Laplacian, and where it is known for certain."""

    alpha: Float
    weight: Float
    known: Image


def soft_mask(rgb: Image, coarse: Float) -> Float:
    """Return the alpha (H, W) float32, 0 background .. 1 person, of a photo with a coarse person mask.

    Args:
        rgb: (H, W, 3) photo.
        coarse: (h, w) mask of any size, 0..1; nothing is cut away or added far from its outline.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    image = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    mask = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    inside, outside = _distances(mask)
    models = _LinearModels(image)
    alpha = _solved(models, _expected(image, mask, inside, outside))
    alpha = _only_strands(alpha, outside)
    if scale < 1:
        alpha = models.enlarged(alpha, rgb.astype(np.float32) / 255)
    alpha = ((alpha - _CLEAR) / (_OPAQUE - _CLEAR)).clip(0, 1)
    person = cv2.resize((inside > _INSIDE).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return _attached(alpha, person)


def foreground_colors(rgb: Image, alpha: Float) -> Float:
    """Return the colours of the person alone, defined everywhere, (H, W, 3) float32, 0..255.

    As in fast foreground estimation (Forte 2021), smooth colours of person and background are corrected by what the
    photo shows beyond their mixture; the second pass takes the person's from the strands themselves.
    """
    image, shape = rgb.astype(np.float32), np.ones((3, 3))
    opacity = alpha[..., None]
    background = fill_in(image, (cv2.dilate(alpha, shape) < 0.05).astype(np.float32))
    person, weight = image, (cv2.erode(alpha, shape) > 0.95).astype(np.float32)
    for _ in range(2):
        smooth = fill_in(person, weight)
        unexplained = image - opacity * smooth - (1 - opacity) * background
        person = (smooth + opacity * unexplained).clip(0, 255)
        weight = np.maximum(weight, alpha**3)
    return np.asarray(person, np.float32)


def _box(values: Float) -> Float:
    return np.asarray(cv2.boxFilter(values, -1, (3, 3), borderType=cv2.BORDER_REFLECT), np.float32)


def _distances(mask: Float) -> tuple[Float, Float]:
    """Return the distances (H, W) of the pixels inside and outside a mask from its outline, in heights."""
    inside = (mask > 0.5).astype(np.uint8)
    framed = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)  # an edge of the photo is no outline
    to_background = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    to_person = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    return to_background / len(mask), to_person / len(mask)


def _expected(image: Float, mask: Float, inside: Float, outside: Float) -> _Expected:
    """Combine what the coarse mask says with what the colours say."""
    person, background = inside > _INSIDE, outside > _OUTSIDE
    likely, apart, variance = _by_color(image, person.astype(np.float32), background.astype(np.float32))
    certainty = apart / (apart + _CERTAIN * variance)
    by_color = _COLOR_WEIGHT * certainty
    way = np.minimum(np.where(mask > 0.5, inside / _INSIDE, outside / _OUTSIDE), 1)  # from the outline to certainty
    by_place = np.where(mask > 0.5, _PLACE_WEIGHT_INSIDE, _PLACE_WEIGHT_OUTSIDE) * way**2
    by_place += _MASK_WEIGHT * (1 - certainty) ** 4
    weight = by_color + by_place
    alpha = (by_color * likely + by_place * mask) / np.maximum(weight, 1e-9)
    alpha = np.select([person, background], [1.0, 0.0], alpha)
    return _Expected(alpha.astype(np.float32), weight.astype(np.float32), (person | background).astype(np.uint8))


def _by_color(image: Float, person: Float, background: Float) -> tuple[Float, Float, Float]:
    """Compare each pixel with the colours of certain pixels nearby.

    Returns:
        Alpha (H, W), the squared distance between the two colours, and the sum of their variances.
    """
    front, back = fill_in(image, person), fill_in(image, background)
    variance = np.full(image.shape[:2], _NOISE**2, np.float32)
    for mean, weight in ((front, person), (back, background)):
        variance += (fill_in(image**2, weight) - mean**2).clip(0).sum(-1)
    difference = front - back
    apart = (difference**2).sum(-1)
    likely = ((image - back) * difference).sum(-1) / np.maximum(apart, 1e-6)
    return likely.clip(0, 1), apart, variance


def _solved(models: _LinearModels, expected: _Expected) -> Float:
    """Minimize the matting energy over the pixels that are not known, by conjugate gradients; returns alpha (H, W)."""
    free = (1 - expected.known).astype(np.float32)
    alpha = expected.alpha.copy()
    residual = -models.laplacian(alpha) * free
    direction, squared = residual.copy(), float((residual**2).sum())
    enough = _TOLERANCE**2 * squared
    for _ in range(_ITERATIONS):
        if squared <= enough:
            break
        product = (models.laplacian(direction) + expected.weight * direction) * free
        step = squared / max(float((direction * product).sum()), 1e-12)
        alpha += step * direction
        residual -= step * product
        before, squared = squared, float((residual**2).sum())
        direction = residual + squared / before * direction
    return alpha.clip(0, 1)


def _only_strands(alpha: Float, outside: Float) -> Float:
    """Remove from alpha (H, W), away from the coarse outline, what is broader than a strand of hair."""
    side = round(_STRAND * len(alpha)) | 1
    broad = cv2.morphologyEx(alpha, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    broad = cv2.GaussianBlur(broad, (0, 0), side / 4)
    return np.asarray((alpha - broad * (outside / _CLOSE - 1).clip(0, 1)).clip(0, 1), np.float32)


def _attached(alpha: Float, person: Image) -> Float:
    """Remove from alpha (H, W) what is not connected to the person (H, W), 0 or 1."""
    _, labels = cv2.connectedComponents((alpha > _ATTACHED).astype(np.uint8))
    attached = np.isin(labels, np.setdiff1d(labels[person > 0], [0])).astype(np.uint8)
    return np.asarray(alpha * cv2.dilate(attached, np.ones((3, 3))), np.float32)
