"""`styletalk results`: writes the results of `styletalk bench all` to docs/results.md and the README.

Only the text between the markers of a section is replaced. The ablation and look-ahead sections are written by
`styletalk train ablations`. Also generates the model card page from the weight files.

Runs on: the main thread.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from styletalk_core.lab.documents.licences import licences_page
from styletalk_core.lab.documents.markdown_page import write_section
from styletalk_core.lab.documents.model_cards import cards_page
from styletalk_core.weights import FOLDER

if TYPE_CHECKING:
    from server.lab.benchmarks.report import Figures, Machine

_PROTOCOL: Final = """\
Self-driven evaluation as in the paper: the first frame of a clip is driven by the clip's audio, in the clip's own
style, head pose and gaze, with a look-ahead of two frames. The people (or, where stated, the sentences) are not in the
training set.
"""
_DIFFERENCES: Final = """
The rows are not directly comparable, because the conditions differ from those of the paper:

- Data: the complete MEAD and HDTF datasets were not available. There are fewer clips, at a lower resolution, some of
  them from the web with an audio-video offset of up to six frames, which is removed first.
- Networks: trained on about an hour of video, including a few minutes of MEAD; the paper uses all of MEAD and HDTF.
  Frames are rendered by a mesh renderer on the CPU instead of PIRenderer.
- Landmarks: the 68 iBUG points as tracked by MediaPipe; distances in px at 256 x 256.
- CPBD also depends on the sharpness of the source; the last table reports it relative to the real frames.
- Sync_conf is not measured: it requires SyncNet, whose weights were not available and are for research only. The
  correlation of the mouth opening and the lip closures on P, B and M replace it.
- For MEAD, only the results of the paper's ablation study are quoted.

No metric is meaningful alone: a still face with closed lips has perfect closure recall, and SSIM is hardly affected by
the mouth.
"""
_FREE: Final = """\
With the default and the free weights, whose lips learnt from two speakers only ([research log](research_log.md)):
"""
_LANGUAGES: Final = """\
Sentences of espeak-ng by two speakers. Its phones and their times, mapped to the 41 symbols by articulation, are the
truth. The recognizer knows English; in other languages the mouth moves by likeness. Lips closed: on the P, B and M that
are said, in motion decoded from recognized phones as in calls, and from told ones as in texts spoken by espeak-ng.
"""
_OVERVIEW: Final = """\
Server, clients and headless Chromium share each machine; no GPU is used. A dash means: not measured there. Results
of different dates are from different versions. [docs/results.md](docs/results.md) has the conditions, all other figures
and a comparison with the paper; `make bench` measures your machine.

{}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--bench", type=Path, default=Path("docs/bench"), metavar="FOLDER", help="results (docs/bench)")
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="page to write (docs/results.md)")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="page for the overview (README.md)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the sections; returns their names as ``sections``.

    Raises:
        InputError: the folder contains no results.
    """
    from server.lab.benchmarks import report

    machines = report.read_machines(args.bench)
    sections = {
        "machines": (
            "Machines",
            "From the slowest to the fastest. Every benchmark also times fixed reference work that does not depend on\n"
            "this program; the table shows the minimum. Results scale roughly with these times.\n\n"
            + report.figures(machines, report.MACHINES),
        ),
        "speed": ("Speed", "One CPU thread, medians after a warm-up.\n\n" + report.figures(machines, report.SPEED)),
        "latency": (
            "Latency",
            "One call, with the server and headless Chromium on the same machine; the parts are medians.\n\n"
            + report.figures(machines, report.LATENCY),
        ),
        "capacity": (
            "Capacity and endurance",
            "The clients run in separate processes on the same machine and use part of its CPU time.\n\n"
            + report.figures(machines, report.CAPACITY),
        ),
        "gallery": ("Gallery", _gallery(args.page.parent / "gallery")),
    }
    judged = [machine for machine in machines if "self_driven" in machine.entries.get("quality", {})]
    if judged:
        paper = json.loads((args.bench / report.PAPER).read_text())
        sections["quality"] = ("Quality", _quality(judged[0], paper))
    heard = [machine for machine in machines if "calibration" in machine.entries.get("recognizer-accuracy", {})]
    if heard:
        sections["recognizer"] = ("Recognizer", _recognizer(heard[0]))
    spoken = [machine for machine in machines if "languages" in machine.entries.get("languages", {})]
    if spoken:
        table, taken = report.languages(spoken[0]), spoken[0].taken("languages")
        text = f"{_LANGUAGES}\n{table}\n`{report.command('languages')}`, commit {taken}."
        sections["languages"] = ("Languages", text)
    for name, (title, text) in sections.items():
        write_section(args.page, name, title, text)
    write_section(args.readme, "figures", "Benchmarks", _OVERVIEW.format(report.overview(machines)))
    (args.page.parent / "model_cards.md").write_text(cards_page(FOLDER), encoding="utf-8")
    (args.page.parent / "licences.md").write_text(licences_page(), encoding="utf-8")
    if not args.json:
        print(f"wrote {args.page}, model_cards.md and licences.md next to it, and {args.readme}: {', '.join(sections)}")
    return {"sections": [*sections, "figures"]}


def _quality(machine: "Machine", paper: "Figures") -> str:
    from server.lab.benchmarks import report

    free = "self_driven" in machine.entries.get("quality-free", {})
    return "\n".join(
        [
            _PROTOCOL,
            report.against_the_paper(machine, paper),
            _DIFFERENCES,
            "All metrics, with three baselines on unseen people:\n",
            report.beside_baselines(machine),
            *((_FREE, report.by_weights(machine)) if free else ()),
            "Every articulator as a call shows it, with the brows, lids and head of the style; a range is the ratio\n"
            "of standard deviations, generated over true:\n",
            report.articulated(machine),
            "Range of every articulator in every preset, of that of the clip that the preset was made of:\n",
            report.ranges_of_styles(machine),
            "The first ten seconds of each clip in every emotion. The range is relative to that of the real person in\n"
            "the style clip, who speaks other words:\n",
            report.said_in_styles(machine),
            "The recognizer on the three official samples, per frame at 30 fps:\n",
            report.heard(machine),
            "The renderer alone, on the tracked motion of unseen people:\n",
            report.rendered(machine),
            f"`{report.command('quality')}`, commit {machine.taken('quality')}.",
        ]
    )


def _recognizer(machine: "Machine") -> str:
    from server.lab.benchmarks import report

    found = machine.entries["recognizer-accuracy"]["calibration"]
    return "\n".join(
        [
            "Every output of the network, on four held-out speakers labelled by hand (TIMIT sample, test) and on the\n"
            "three official samples; calls use 80 ms:\n",
            report.by_delay(machine),
            "How often the most probable phone is right, on the same speakers, by its probability. The expected\n"
            f"calibration error is {found['error']:.3f}; the best temperature on four other speakers, "
            f"{found['temperature']:g},\nwould make it {found['error_at_temperature']:.3f}. "
            "The decoder gets the probabilities unchanged.\n",
            report.calibrated(machine),
            f"`{report.command('recognizer-accuracy')}`, commit {machine.taken('recognizer-accuracy')}.",
        ]
    )


def _gallery(folder: Path) -> str:
    """Links to the contact sheets of a folder."""
    sheets = sorted(folder.glob("*.jpg"))
    links = "\n".join(f"- [{sheet.stem}](gallery/{sheet.name})" for sheet in sheets)
    return (
        "Every built-in presenter in every style: silent, with open and closed mouth, smiling, turned, and with\n"
        "closed eyes. Generated by `python -m styletalk_core.lab.assets.gallery docs/gallery`.\n\n"
        f"{links}\n"
    )
