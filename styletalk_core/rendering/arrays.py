"""Names for the two kinds of array that the renderer passes around; shapes stand in the docstrings.

The element type is left open because OpenCV's type stubs know it only as "integer or floating".
"""

from typing import Any

from numpy.typing import NDArray

Float = NDArray[Any]
"""float32."""
Image = NDArray[Any]
"""uint8, RGB or RGBA."""
Index = NDArray[Any]
"""int32."""
