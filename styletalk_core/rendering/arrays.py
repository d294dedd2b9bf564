"""Array type aliases of the renderer; shapes are given in docstrings.

The element type is left open because OpenCV's type stubs declare it only as "integer or floating".
"""

from typing import Any

from numpy.typing import NDArray

Float = NDArray[Any]
"""float32."""
Image = NDArray[Any]
"""uint8, RGB or RGBA."""
Index = NDArray[Any]
"""int32."""
