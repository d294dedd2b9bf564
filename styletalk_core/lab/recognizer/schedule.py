"""Learning rate of the recognizer and its teacher. Pure."""

import math


def rate_share(step: int, steps: int, warm_up: float) -> float:
    """Share of the peak rate at ``step`` of ``steps``: a linear rise over ``warm_up`` steps, then a cosine to zero."""
    return min((step + 1) / warm_up, 0.5 + 0.5 * math.cos(math.pi * step / steps))
