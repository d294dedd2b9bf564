"""The card inside a motion weight file: what went in, what came out, what it must not be used for.

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
    "trained on about an hour of tracked video, most of it of one neutral speaker and of newsreaders of a second each",
    "blinks, gaze and head motion are not its business; the upper face follows the style more than the words",
    "phones come from a small recognizer of English; other languages move the mouth by likeness",
)
_NOT_FOR: Final = (
    "making a real person appear to say what they did not say",
    "passing generated video off as recorded",
    "reading speech from lips or judging people's emotions",
)


def model_card(config: Config, train: Sequence[MotionClip], steps: int, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Card of a network trained for ``steps`` on ``train``; ``figures`` by group of unseen clips."""
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
    return f"{len(clips)} clips, {minutes:.1f} min" + (f", {silent} without sound" if silent else "")
