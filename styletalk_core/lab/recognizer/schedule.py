"""Learning rate of the recognizer and its teacher. Pure."""

import math


def rate_share(step: int, steps: int, warm_up: float) -> float:
    """Share of the peak rate at ``step`` of ``steps``: a cosine that ends at zero, limited by a linear ``warm_up``, steps."""
    return min((step + 1) / warm_up, 0.5 + 0.5 * math.cos(math.pi * step / steps))
