"""`styletalk results`: writes what `styletalk bench all` measured into docs/results.md and the README.

Only the text between a section's marks is replaced. Ablations and look-ahead are written there by
`styletalk train ablations`. Also writes the page of model cards, from the weights.

Runs on: the main thread.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from styletalk_core.lab.documents.markdown_page import write_section
from styletalk_core.lab.documents.model_cards import cards_page
from styletalk_core.weights import FOLDER

if TYPE_CHECKING:
    from server.lab.benchmarks.report import Figures, Machine

_PROTOCOL: Final = """\
Self-driven, as in the paper: the first frame of a clip speaks the clip's sound in the clip's own style, pose and gaze;
two future frames are known. Clips are of people (or, where said, sentences) that nothing was trained on.
"""
_DIFFERENCES: Final = """
What differs from the paper, so that rows are no ranking:

- Data: MEAD and HDTF as a whole are not at hand. The clips here are few, of lower resolution, and partly from the web,
  where sound and picture lie up to six frames apart; that offset is removed first.
- Networks: trained here on about an hour of video, a few minutes of it from MEAD; the paper trained on MEAD and HDTF
  as a whole. The picture comes from a mesh renderer that runs on a CPU, not from PIRenderer.
- Landmarks: the 68 points of iBUG as MediaPipe finds them, distances in px at 256 x 256.
- CPBD tells the sharpness of the source as well: the last table says what is left of the real frames' own.
- Sync_conf is not measured: it is the output of SyncNet, whose weights are not at hand and are for research only. The
  opening of the mouth against the true one, and the lips closed on P, B and M, stand in for it.
- Of MEAD only the figures of the paper's ablation are quoted.

A still face with closed lips "closes" on every P, B and M, and SSIM hardly sees a mouth: no figure is read alone.
"""
_OVERVIEW: Final = """\
Server, clients and headless Chromium on one machine, without a GPU; the slowest machine comes first. What the figures
mean, what the paper reports and where the milliseconds go is in [docs/results.md](docs/results.md); `make bench`
measures them on your machine.

{}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--bench", type=Path, default=Path("docs/bench"), metavar="FOLDER", help="figures (docs/bench)")
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="page to write (docs/results.md)")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="page with an overview (README.md)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the sections; returns ``sections``, the names of those that were written.

    Raises:
        InputError: the folder holds no figures.
    """
    from server.lab.benchmarks import report

    machines = report.read_machines(args.bench)
    sections = {
        "machines": (
            "Machines",
            "The slowest first. Beside every benchmark the same work is timed, which is not this program's; here at\n"
            "its best. Where it takes twice as long, so may the program.\n\n"
            + report.figures(machines, report.MACHINES),
        ),
        "speed": ("Speed", "One CPU thread, medians after warming up.\n\n" + report.figures(machines, report.SPEED)),
        "latency": (
            "Latency",
            "One call, server and headless Chromium on the same machine; parts are medians.\n\n"
            + report.figures(machines, report.LATENCY),
        ),
        "capacity": (
            "Capacity and endurance",
            "Clients in processes of their own on the same machine take their share of it.\n\n"
            + report.figures(machines, report.CAPACITY),
        ),
        "gallery": ("Gallery", _gallery(args.page.parent / "gallery")),
    }
    judged = [machine for machine in machines if "self_driven" in machine.entries.get("quality", {})]
    if judged:
        paper = json.loads((args.bench / report.PAPER).read_text())
        sections["quality"] = ("Quality", _quality(judged[0], paper))
    for name, (title, text) in sections.items():
        write_section(args.page, name, title, text)
    write_section(args.readme, "figures", "Honest figures", _OVERVIEW.format(report.overview(machines)))
    (args.page.parent / "model_cards.md").write_text(cards_page(FOLDER), encoding="utf-8")
    if not args.json:
        print(f"written into {args.page}, model_cards.md beside it and {args.readme}: {', '.join(sections)}")
    return {"sections": [*sections, "figures"]}


def _quality(machine: "Machine", paper: "Figures") -> str:
    from server.lab.benchmarks import report

    return "\n".join(
        [
            _PROTOCOL,
            report.against_the_paper(machine, paper),
            _DIFFERENCES,
            "Everything that is measured, and what a figure must beat:\n",
            report.beside_baselines(machine),
            "Every emotion: the first ten seconds of each clip said in it. A range of 1 is that of the real person\n"
            "who has that emotion in a clip of other words:\n",
            report.said_in_styles(machine),
            "The recognizer on the three official samples, share of frames at 30 per second:\n",
            report.heard(machine),
            "The renderer alone, on the true motion of people never seen:\n",
            report.rendered(machine),
            f"`{report.command('quality')}`, commit {machine.taken('quality')}.",
        ]
    )


def _gallery(folder: Path) -> str:
    """Links to the contact sheets of a folder."""
    sheets = sorted(folder.glob("*.jpg"))
    links = "\n".join(f"- [{sheet.stem}](gallery/{sheet.name})" for sheet in sheets)
    return (
        "Every built-in presenter in every style, at rest, with an open and a closed mouth, smiling, turned and with "
        f"closed eyes; `python -m styletalk_core.lab.assets.gallery docs/gallery` makes them.\n\n{links}\n"
    )
