"""One frame to draw, and how the processor draws it.

Runs on: any thread; pure.
"""

from dataclasses import dataclass

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.mesh_renderer import MeshRenderer


@dataclass(frozen=True, slots=True)
class Motion:
    """One frame of one session; the arguments of `MeshRenderer.render`, and ``behind`` None for transparency."""

    renderer: MeshRenderer
    expression: Float
    pose: Float
    gaze: Float
    blink: float
    behind: Image | None


def draw(motion: Motion) -> Image:
    """Draws one frame on the processor, (H*3//2, W) uint8 yuv420p; (H*3, W) with the mask below for transparency."""
    arguments = (motion.expression, motion.pose, motion.gaze, motion.blink)
    if motion.behind is None:
        return motion.renderer.render_with_alpha(*arguments)
    return motion.renderer.render(*arguments, motion.behind)
