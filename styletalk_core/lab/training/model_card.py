"""Model card stored in a motion weight file: training data, results, limits and prohibited uses.

Runs on: any thread; pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from styletalk_core.lab.training.clips import MotionClip
from styletalk_core.lab.training.config import Config
from styletalk_core.phones import FPS

_TERMS: Final = {
    "all": "research use: GRID is CC BY 4.0, the other clips are for research only",
    "free": "free to use with attribution: trained on GRID (CC BY 4.0) alone",
}
_LIMITS: Final = (
    "trained on about an hour of tracked video, mostly one neutral speaker and one-second clips of newsreaders",
    "does not generate blinks, gaze or head motion; the upper face follows the style more than the words",
    "phones come from a small English recognizer; other languages are mapped to the closest English phones",
)
_NOT_FOR: Final = (
    "making a real person appear to say what they did not say",
    "passing generated video off as recorded",
    "reading speech from lips or judging people's emotions",
)


def model_card(config: Config, train: Sequence[MotionClip], steps: int, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Builds the card of a network trained for ``steps`` on ``train``; ``figures`` are grouped by unseen clips."""
    sources = sorted({clip.source for clip in train})
    return {
        "purpose": "phone columns and a style clip to mesh64 expression coefficients at 30 fps",
        "terms": _TERMS[config.data.licence],
        "trained_on": {source: _amount([clip for clip in train if clip.source == source]) for source in sources},
        "steps": steps,
        "settings": asdict(config),
        "figures_on_unseen": dict(figures),
        "limits": list(_LIMITS),
        "not_for": list(_NOT_FOR),
    }


def _amount(clips: Sequence[MotionClip]) -> str:
    minutes = sum(len(clip.coefficients) for clip in clips) / FPS / 60
    silent = sum(clip.phones is None for clip in clips)
    return f"{len(clips)} clips, {minutes:.1f} min" + (f", {silent} without audio" if silent else "")
