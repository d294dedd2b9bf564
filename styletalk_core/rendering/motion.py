"""Motion of one frame, and its rendering on the CPU.

Runs on: any thread; pure.
"""

from dataclasses import dataclass

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.mesh_renderer import MeshRenderer


@dataclass(frozen=True, slots=True)
class Motion:
    """One frame of one session: the arguments of `MeshRenderer.render`; ``behind`` is None for transparency."""

    renderer: MeshRenderer
    expression: Float
    pose: Float
    gaze: Float
    blink: float
    behind: Image | None


def draw(motion: Motion) -> Image:
    """Renders one frame on the CPU, (H*3//2, W) uint8 yuv420p; for transparency (H*3, W) with an alpha mask below."""
    arguments = (motion.expression, motion.pose, motion.gaze, motion.blink)
    if motion.behind is None:
        return motion.renderer.render_with_alpha(*arguments)
    return motion.renderer.render(*arguments, motion.behind)
