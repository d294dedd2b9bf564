"""Image loading: any supported file to upright 8-bit RGB of limited size.

Runs on: any thread.
"""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from styletalk_core.errors import InputError
from styletalk_core.rendering.arrays import Image

FORMATS: Final = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Accepted formats, common on cameras, phones and the web; for some rare ones Pillow starts external programs."""
MAX_PIXELS: Final = 60_000_000
WORKING_SIDE: Final = 2048
"""Maximum side in pixels; larger images are downscaled."""


def load(path: Path) -> Image:
    """Loads an image as upright (H, W, 3) uint8 RGB, for any colour space and depth.

    Raises:
        InputError: the file is not an image.
    """
    register_heif_opener()
    try:
        with Pillow.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                limit = f"{MAX_PIXELS // 1_000_000} megapixels"
                raise InputError(f"{Path(path).name} has more than {limit}: reduce it first")
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith(("I", "F")):
                values = np.asarray(upright, np.float32)
                top = 65535.0 if values.max() > 255 else 255.0
                upright = Pillow.fromarray((values / top * 255).clip(0, 255).astype(np.uint8))
            if "A" in upright.getbands() or "transparency" in upright.info:
                rgba = upright.convert("RGBA")
                upright = Pillow.alpha_composite(Pillow.new("RGBA", rgba.size, (235, 235, 235, 255)), rgba)
            rgb = upright.convert("RGB")
            rgb.thumbnail((WORKING_SIDE, WORKING_SIDE), Pillow.Resampling.LANCZOS)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{Path(path).name} is not an image that can be read") from error
    return np.array(rgb)
