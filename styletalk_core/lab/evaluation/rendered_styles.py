"""Recognition of styles in what a viewer sees: speech in a style, drawn on a portrait and tracked again.

A classifier that knows real clips only judges the articulators of lips, brows and lids. What is constant in a portrait,
such as thick lips or a smile, is removed: the mean over all styles becomes that of the real clips.

Runs on: any thread; about 25 ms per frame.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.articulators import ARTICULATORS, HEAD_ARTICULATORS, of_motion
from styletalk_core.lab.evaluation.fidelity import SIZE
from styletalk_core.lab.evaluation.judgement import ShownMotion
from styletalk_core.lab.evaluation.rendered_frames import tracked_again
from styletalk_core.lab.evaluation.style_classifier import StyleClassifier
from styletalk_core.library.styles import Style
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.portrait import Portrait

Float = NDArray[np.float32]

_FACE = len(ARTICULATORS) - len(HEAD_ARTICULATORS)


class RenderedStyles:
    """Recognizes styles on a portrait."""

    def __init__(self, styles: Mapping[str, Style], portrait: Portrait, tracker: FaceTracker, model: FaceModel) -> None:
        real = {name: of_motion(style.coefficients, style.pose, model)[:, :_FACE] for name, style in styles.items()}
        self._unit = np.concatenate(list(real.values())).std(axis=0)
        real = {name: motion / self._unit for name, motion in real.items()}
        self._usual = np.mean([motion.mean(axis=0) for motion in real.values()], axis=0)
        self._classifier = StyleClassifier(real)
        self._renderer, self._tracker = MeshRenderer(portrait, SIZE), tracker

    def recognized(self, shown: Mapping[str, ShownMotion]) -> dict[str, bool]:
        """Return for the same speech in each style whether its style is recognized; False without a face."""
        seen = {name: self._seen(motion) for name, motion in shown.items()}
        known = {name: motion[:, :_FACE] / self._unit for name, motion in seen.items() if motion is not None}
        own = np.mean([motion.mean(axis=0) for motion in known.values()], axis=0) - self._usual
        named = {name: self._classifier.classify(motion - own) for name, motion in known.items()}
        return {name: named.get(name) == name for name in shown}

    def _seen(self, shown: ShownMotion) -> Float | None:
        """Articulators (T, 11) of a rendered motion."""
        frames = zip(shown.expression, shown.pose, shown.gaze, shown.blink, strict=True)
        images = (self._renderer.render_rgb(e, p, g, float(b)) for e, p, g, b in frames)
        return tracked_again(images, self._tracker, self._renderer.resting_face)
