"""Teeth of an avatar that its owner chooses: those of a smiling photo of the same person, or a row of the bank.

Runs on: any thread, at enrolment only; a photo takes about a second.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.rendering.mouth.teeth import Rows
from styletalk_core.rendering.mouth.teeth_bank import bank
from styletalk_core.rendering.portrait.portrait import Portrait

_MIN_FACE: Final = 140
"""Height of a face that shows its teeth sharply, px."""
_MAX_YAW: Final = 15.0
"""Angle in degrees up to which a row is seen to both ends."""
_SIZE: Final = 512
"""Side of the square around the smile, px; about twice the detail of a row that is drawn."""


def with_teeth(portrait: Portrait, number: int) -> Portrait:
    """Return a portrait with a row of the bank, counted from 1.

    Raises:
        InputError: there is no such row.
    """
    rows = bank()
    if not 1 <= number <= len(rows):
        raise InputError(f"there are teeth 1 to {len(rows)}, not {number}")
    return replace(portrait, teeth=Rows(rows[number - 1], None))


def with_smile(portrait: Portrait, photo: Path) -> Portrait:
    """Return a portrait with the teeth of a smiling photo of the same person.

    Raises:
        InputError: the photo shows no usable smile, or somebody else; the message says why.
    """
    # Only enrolment needs the face tracker.
    from styletalk_core.rendering.mouth.smile import smile_rows
    from styletalk_core.rendering.portrait.image_file import load
    from styletalk_core.rendering.portrait.photo import cropped_face, turn
    from styletalk_core.rendering.portrait.same_person import check_same_person

    try:
        face = cropped_face(load(photo), _SIZE)
        if face.faces > 1:
            raise InputError(f"it shows {face.faces} faces: use a photo of this person alone")
        if face.height < _MIN_FACE:
            raise InputError(f"its face is only {face.height:.0f} pixels high: teeth need {_MIN_FACE}")
        if (away := abs(float(np.degrees(turn(face.landmarks)[0])))) > _MAX_YAW:
            raise InputError(f"its head is turned by {away:.0f} degrees: use a photo taken from the front")
        check_same_person(portrait.image, portrait.landmarks, face.image, face.landmarks)
        return replace(portrait, teeth=smile_rows(face.image, face.landmarks, portrait.landmarks))
    except InputError as error:
        raise InputError(f"the smiling photo cannot be used: {error}") from error
