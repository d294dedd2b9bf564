"""Accuracy of phone labels against reference labels, per frame and per lip closure. Pure."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from styletalk_core.phones import CLOSED_LIPS, LIP_TO_TEETH, VISEME_OF_PHONE


@dataclass(frozen=True, slots=True)
class EventScore:
    """Recall and precision in [0, 1] of events, matched within one frame."""

    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of frames in [0, 1] that match exactly and within one frame, and the scores of the lip events."""

    strict: float
    viseme: float
    strict_within_one: float
    viseme_within_one: float
    closure: EventScore
    lip_to_teeth: EventScore


def score(predicted: NDArray[np.uint8], reference: NDArray[np.uint8]) -> Accuracy:
    """Compares phone ids (T,) at 30 fps with reference phone ids (T,)."""
    visemes = np.array(VISEME_OF_PHONE, np.uint8)
    strict, near = _agreement(predicted, reference)
    viseme, viseme_near = _agreement(visemes[predicted], visemes[reference])
    closure = event_score(np.isin(predicted, CLOSED_LIPS), np.isin(reference, CLOSED_LIPS))
    teeth = event_score(np.isin(predicted, LIP_TO_TEETH), np.isin(reference, LIP_TO_TEETH))
    return Accuracy(strict, viseme, near, viseme_near, closure, teeth)


def mean_accuracy(scores: list[Accuracy], weights: list[int]) -> dict[str, float]:
    """Frame-weighted means of accuracies as a flat dict, rounded to 4 digits."""
    rows = []
    for one in scores:
        flat = dataclasses.asdict(one)
        for event in ("closure", "lip_to_teeth"):
            flat |= {f"{event}_{key}": value for key, value in flat.pop(event).items()}
        rows.append(flat)
    return {key: round(float(np.average([row[key] for row in rows], weights=weights)), 4) for key in rows[0]}


def event_score(predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> EventScore:
    """Scores events, which are runs of True in (T,); an event is matched if the other side is True within one frame."""
    return EventScore(_met(reference, predicted), _met(predicted, reference))


def _agreement(predicted: NDArray[np.uint8], reference: NDArray[np.uint8]) -> tuple[float, float]:
    padded = np.pad(reference, 1, mode="edge")
    same = predicted == reference
    near = same | (predicted == padded[:-2]) | (predicted == padded[2:])
    return float(same.mean()), float(near.mean())


def _met(events: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    steps = np.diff(np.pad(events, 1).astype(np.int8))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    met = [other[max(start - 1, 0) : end + 1].any() for start, end in zip(starts, ends, strict=True)]
    return float(np.mean(met)) if met else 1.0
