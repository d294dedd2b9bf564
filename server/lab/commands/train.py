"""`styletalk train NAME`: trains one of the shipped weight files from the data folder."""

import argparse

from server.cli.subcommands import add_subcommands

TRAININGS = {
    "recognizer": ("styletalk_core.lab.recognizer.training", "the streaming phoneme recognizer"),
    "motion": ("styletalk_core.lab.training.motion", "style encoder and style-controllable decoder"),
    "motion-distilled": ("styletalk_core.lab.training.distillation", "several networks of motion taught to one"),
    "motion-calibration": ("styletalk_core.lab.training.calibration", "how far lips go in each direction, computed"),
    "ablations": ("styletalk_core.lab.training.ablations", "one network per missing part of the objective, and report"),
    "face-model": ("styletalk_core.lab.training.face_model", "the linear face model, from tracked clips"),
    "visemes": ("styletalk_core.lab.training.visemes", "the mouth shape of every viseme, from labelled clips"),
    "mouth": ("styletalk_core.lab.training.mouth", "the network that warps and shades the skin around the mouth"),
    "folds": ("styletalk_core.lab.training.folds", "the folds of cheeks, nose, brows and eyes by expression"),
    "basel": ("styletalk_core.lab.training.basel", "the map from the face model to the published renderer's"),
    "presets": ("styletalk_core.lab.training.presets", "the packaged speaking styles, from tracked clips"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one subcommand per training."""
    add_subcommands(parser, TRAININGS)
