"""Reads a still picture, whatever the file is like: upright, RGB, 8 bits, of a size that can be worked on.

Runs on: any thread.
"""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from styletalk_core.errors import InputError
from styletalk_core.rendering.arrays import Image

FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What cameras, telephones and the web make; Pillow would also start other programs for some rare ones."""
MAX_PIXELS: Final = 60_000_000
WORKING_SIDE: Final = 2048
"""Side in pixels to which longer pictures are reduced."""


def load(path: Path) -> Image:
    """Returns (H, W, 3) uint8 RGB, upright, whatever the file's colour space and depth.

    Raises:
        InputError: not a still picture.
    """
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
        raise InputError(f"{Path(path).name} is not a picture that can be read") from error
    return np.array(rgb)
