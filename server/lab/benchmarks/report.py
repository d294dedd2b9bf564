"""Tables of the results page and the README, generated from the files of `styletalk bench all`.

Each machine has a column, ordered from the slowest to the fastest by reference times (`machine.py`). A row consists of
a label, a benchmark and a template that is filled with the benchmark's results; missing results show as a dash.

Runs on: any thread; pure apart from reading the files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from server.lab.benchmarks.machine import LOADED_SHARE, others_share
from server.lab.benchmarks.quality import SENTENCES, STUDIO, UNSEEN
from server.lab.benchmarks.run_all import RUNS, UNTIMED
from styletalk_core.errors import InputError
from styletalk_core.lab.documents.markdown_page import table
from styletalk_core.lab.evaluation.articulators import ARTICULATORS

PAPER: Final = "paper.json"
"""File with the results of the paper, next to the files of the machines."""
_NONE: Final = "–"

Figures = Mapping[str, Any]


class Row(NamedTuple):
    """A table row; the benchmark is a key of `RUNS`."""

    label: str
    benchmark: str
    template: str


MACHINE: Final = "machine"
"""Replaces the benchmark in rows about the machine itself."""
MACHINES: Final = (
    Row("instruction sets", MACHINE, "{features}"),
    Row("available cores", MACHINE, "{core_limit:g}"),
    Row("CPU time, remap of 512 x 512 x 4", MACHINE, "{remap_ms:.2f} ms"),
    Row("CPU time, product of 512 x 512 float32 matrices", MACHINE, "{blas_ms:.2f} ms"),
    Row("CPU time, one VP8 frame at 512 x 512", MACHINE, "{vp8_ms:.2f} ms"),
    Row("CPU load from other programs, maximum", MACHINE, "{other_programs:.0%}"),
)
SPEED: Final = (
    Row("decode one frame, network size of the paper", "decoder", "{ms_per_frame_b1:.2f} ms"),
    Row("- per frame in a batch of eight", "decoder", "{ms_per_frame_b8:.2f} ms"),
    Row("- without style caching", "decoder", "{ratio_uncached:.1f} times as long"),
    Row("mix the experts of a new style", "decoder", "{style_switch_ms:.1f} ms"),
    Row("recognize 20 ms of audio, median / p99", "recognizer", "{step_ms:.2f} / {step_p99_ms:.2f} ms"),
    Row("render one frame at 512 x 512, median / p95", "renderer", "{ms_512:.2f} / {ms_512_p95:.2f} ms"),
    Row("render one frame at 256 x 256, median / p95", "renderer", "{ms_256:.2f} / {ms_256_p95:.2f} ms"),
    Row("- with PIRenderer", "renderer", "{pirenderer_ms_256:.0f} ms, {speed_ratio_256:.0f} times as long"),
    Row("memory of a prepared portrait at 512 x 512", "renderer", "{memory_mb:.0f} MB"),
)
_PARTS: Final = {
    "microphone and uplink": "microphone and uplink",
    "room for late packets": "jitter buffer",
    "recogniser": "recognizer delay",
    "look-ahead": "look-ahead",
    "decoder": "decoder",
    "renderer": "renderer",
    "waiting for its time": "waiting for the playout time",
    "encode": "encoder",
    "downlink and display": "downlink and display",
}
"""Parts of the latency, as the benchmark names them, and their labels."""
LATENCY: Final = (
    Row("microphone to displayed frame, p50 / p95 / p99", "latency", "{p50_ms:.0f} / {p95_ms:.0f} / {p99_ms:.0f} ms"),
    *(Row(f"- {label}", "latency", f"{{parts[{part}]:.1f}} ms") for part, label in _PARTS.items()),
    Row("- unexplained", "latency", "{unaccounted_ms:.1f} ms"),
    Row("audio-video offset (video minus audio), mean / p95", "latency",
        "{skew_mean_ms:.0f} / {skew_p95_ms:.0f} ms"),
    Row("displayed frame rate", "latency", "{fps:.2f} fps"),
    Row("frame interval, p95", "latency", "{frame_interval_p95_ms:.0f} ms"),
    Row("late frames", "latency", "{late_share:.2%}"),
    Row("frame size, number of changes", "latency", "{size}, {size_changes}"),
    Row("delay D, initial / maximum / final", "latency",
        "{delay_ms[first]:.0f} / {delay_ms[largest]:.0f} / {delay_ms[last]:.0f} ms"),
    Row("under load (a busy loop on each of two cores): displayed frame rate", "latency", "{busy[fps]:.1f} fps"),
    Row("- frame interval, p95", "latency", "{busy[frame_interval_p95_ms]:.0f} ms"),
    Row("- audio-video offset, p95", "latency", "{busy[skew_p95_ms]:.0f} ms"),
    Row("- time to recover the full frame rate", "latency", "{recovery_s:.1f} s"),
    Row("frames measured", "latency", "{samples}"),
    Row("style change to display, median / maximum", "switch",
        "{style_shown_p50_ms:.0f} / {style_shown_max_ms:.0f} ms"),
    Row("- until work on the first frame starts", "switch",
        "{style_waited_p50_ms:.0f} / {style_waited_max_ms:.0f} ms"),
    Row("avatar change to display, median / maximum", "switch",
        "{avatar_shown_p50_ms:.0f} / {avatar_shown_max_ms:.0f} ms"),
    Row("recovery after a ten-second network outage, video / audio, maximum", "outage",
        "{outage_picture_max_ms:.0f} / {outage_sound_max_ms:.0f} ms"),
    Row("recovery after an unannounced network change, video / audio, maximum", "outage",
        "{change_picture_max_ms:.0f} / {change_sound_max_ms:.0f} ms"),
    Row("- same session and settings", "outage", "{same_session_and_settings}"),
    Row("slot of a vanished client freed after, maximum", "outage", "{place_back_max_ms:.0f} ms"),
    Row("interruption to silence, median / maximum", "interruption",
        "{stale_sound_p50_ms:.0f} / {stale_sound_max_ms:.0f} ms"),
    Row("interruption to the first new frame, median / maximum", "interruption",
        "{stale_picture_p50_ms:.0f} / {stale_picture_max_ms:.0f} ms"),
)  # fmt: skip
_SESSIONS: Final = "{sessions} at {fps:.1f} fps, {late_share:.2%} late"
_COST: Final = "{cpu_per_session:.2f} cores, {memory_mb_per_session:.0f} MB"
CAPACITY: Final = (
    Row("sessions at 512 x 512", "capacity", _SESSIONS),
    Row("- cost per session", "capacity", _COST),
    Row("sessions at 256 x 256", "capacity-256", _SESSIONS),
    Row("- cost per session", "capacity-256", _COST),
    Row("short calls in a row", "churn", "{cycles}"),
    Row("- memory growth", "churn", "{rss_growth_mb:.1f} MB"),
    Row("- leaked tasks, threads, descriptors, slots", "churn",
        "{tasks_left}, {threads_left}, {descriptors_left}, {slots_left}"),
    Row("duration of one long call", "soak", "{minutes:g} minutes"),
    Row("- audio drift", "soak", "{drift_ms:.1f} ms"),
    Row("- memory growth", "soak", "{rss_growth_mb:.1f} MB"),
    Row("- late frames", "soak", "{late_share:.2%}"),
    Row("- event loop delay, p99 / maximum caused by the program", "soak",
        "{loop_block_p99_ms:.1f} / {loop_own_max_ms:.1f} ms"),
)  # fmt: skip
_MEAN: Final = f"self_driven[{UNSEEN}][mean]"
README: Final = (
    Row("microphone to displayed frame, p50 / p95", "latency", "{p50_ms:.0f} / {p95_ms:.0f} ms"),
    Row("audio-video offset (video minus audio), mean / p95", "latency",
        "{skew_mean_ms:.0f} / {skew_p95_ms:.0f} ms"),
    Row("displayed frame rate", "latency", "{fps:.2f} fps"),
    Row("- beside a busy loop on each core", "latency", "{busy[fps]:.1f} fps"),
    Row("sessions at 512 x 512", "capacity", _SESSIONS),
    Row("sessions at 256 x 256", "capacity-256", _SESSIONS),
    Row("style change to display, median", "switch", "{style_shown_p50_ms:.0f} ms"),
    Row("interruption to silence, maximum", "interruption", "{stale_sound_max_ms:.0f} ms"),
    Row("audio after a network outage, maximum", "outage", "{outage_sound_max_ms:.0f} ms"),
    Row("decode one frame, size of the paper", "decoder",
        "{ms_per_frame_b1:.2f} ms; {ratio_uncached:.0f} times as long without style caching"),
    Row("render one frame, 512 x 512 / 256 x 256", "renderer", "{ms_512:.1f} / {ms_256:.1f} ms"),
    Row("recognizer, frame / viseme accuracy", "quality",
        "{recogniser[neural][strict]:.1%} / {recogniser[neural][viseme]:.1%}"),
    Row("mouth opening of unseen people, correlation", "quality", f"{{{_MEAN}[opening_correlation]:.2f}}"),
    Row("their lip error; of their mean mouth; of a still face", "quality",
        f"{{{_MEAN}[lip_error_px]:.2f}}; {{{_MEAN}[lip_error_mean_mouth_px]:.2f}}; "
        f"{{{_MEAN}[lip_error_still_px]:.2f}} px"),
    Row("P, B and M with closed lips", "quality", f"{{{_MEAN}[closure_recall]:.0%}}"),
    Row("emotions recognized in generated motion, of eight", "quality",
        f"{{{_MEAN}[style_accuracy]:.0%}}, by a classifier trained on real clips"),
    Row("emotions recognized in rendered video, tracked again", "quality",
        f"{{{_MEAN}[rendered_style_accuracy]:.0%}}"),
)  # fmt: skip
_METRICS: Final = {
    "opening_correlation": "mouth opening, correlation",
    "opening_std_ratio": "mouth opening, relative range",
    "lip_error_px": "lip error, px",
    "closure_recall": "closure recall (P, B, M)",
    "closure_precision": "closure precision (P, B, M)",
    "jitter_ratio": "relative jitter",
    "f_lmd": "F-LMD, px",
    "m_lmd": "M-LMD, px",
    "ssim": "SSIM",
    "cpbd": "CPBD",
    "identity_similarity": "identity similarity",
}
_STYLED: Final = {"closure_recall": "closure recall", "opening_std_ratio": "relative range"}
_ARTICULATED: Final = ("correlation", "range")
_SPOKEN: Final = {
    "closed_share": "closed lips, share of spoken frames",
    "closed_share_true": "- of the truth",
    "head_energy_correlation": "speed of the head, correlation with loudness",
    "head_energy_correlation_shuffled": "- with shuffled loudness",
}
_LIP_CLOSURES: Final = tuple(
    f"{source}_{figure}" for source in ("closure", "lips", "told_lips") for figure in ("recall", "precision")
)
_GROUPS: Final = {UNSEEN: "unseen people", STUDIO: "unseen people, GRID", SENTENCES: "unseen sentences, GRID"}
"""Groups of clips and their names in narrow columns."""
_PAPERS: Final = {"ssim": "SSIM", "cpbd": "CPBD", "f_lmd": "F-LMD", "m_lmd": "M-LMD"}
_BASELINES: Final = {
    "still": "still face",
    "mean_per_phone": "mean motion per phone (uses the ground truth)",
    "amplitude_jaw": "jaw driven by loudness",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """One results file: the machine's name and the results by benchmark."""

    name: str
    entries: Mapping[str, Figures]

    def cell(self, row: Row) -> str:
        """Results for a row on this machine, or a dash."""
        try:
            return row.template.format(**(self.itself if row.benchmark == MACHINE else self.entries[row.benchmark]))
        except (KeyError, TypeError, ValueError):  # TypeError and ValueError: the run stored null
            return _NONE

    @property
    def itself(self) -> Figures:
        """Features, minimum reference times and maximum load, over all benchmarks of times that report them."""
        told = [entry for name, entry in self.entries.items() if "reference" in entry and name not in UNTIMED]
        if not told:
            return {}
        references = {key: min(entry["reference"][key] for entry in told) for key in told[0]["reference"]}
        machine: dict[str, Any] = told[0]["machine"]
        worst = max(map(others_share, told))
        return machine | references | {"features": ", ".join(machine["features"]), "other_programs": worst}

    @property
    def slowness(self) -> float:
        """Sum of the reference times in ms; 0 if there are none."""
        return float(sum(value for key, value in self.itself.items() if key.endswith("_ms")))

    @property
    def dates(self) -> list[str]:
        """Dates of the results, in order."""
        return sorted({str(entry["date"]) for entry in self.entries.values() if "date" in entry})

    def under_load(self, benchmarks: Sequence[str]) -> list[str]:
        """Those benchmarks of times during which other programs took more than `LOADED_SHARE`, and how much."""
        shares = {name: others_share(self.entries.get(name, {})) for name in benchmarks if name not in UNTIMED}
        return [f"`{name}` ({share:.0%})" for name, share in shares.items() if share > LOADED_SHARE]

    def taken(self, benchmark: str) -> str:
        """Commit and date of the results."""
        entry = self.entries.get(benchmark, {})
        return f"{entry['commit']} of {entry['date']}" if "commit" in entry else ""


def read_machines(folder: Path) -> list[Machine]:
    """Reads the machines of a folder, the slowest first; machines of unknown speed by date, the newest first.

    Raises:
        InputError: the folder contains no results.
    """
    machines = []
    for path in sorted(folder.glob("*.json")):
        stored = json.loads(path.read_text())
        if "machine" in stored:
            entries = {name: entry for name, entry in stored.items() if isinstance(entry, dict)}
            machines.append(Machine(f"{stored['machine']}, {stored['cores']} cores", entries))
    if not machines:
        raise InputError(f"{folder} contains no results; `styletalk bench all --out {folder}` measures them.")
    newest = sorted(machines, key=lambda machine: machine.dates[-1:], reverse=True)
    return sorted(newest, key=lambda machine: machine.slowness, reverse=True)


def figures(machines: Sequence[Machine], rows: Sequence[Row]) -> str:
    """A table with a column per machine, followed by the commands and commits of its results."""
    text = table(["", *(machine.name for machine in machines)], [[row.label, *_cells(machines, row)] for row in rows])
    benchmarks = [name for name in dict.fromkeys(row.benchmark for row in rows) if name != MACHINE]
    if not benchmarks:
        return text
    text += f"\n{', '.join(f'`{command(name)}`' for name in benchmarks)}; {_origins(machines, benchmarks)}.\n"
    text += under_load(machines, benchmarks)
    for machine in machines:
        for name in benchmarks:
            if "failed" in machine.entries.get(name, {}):
                text += f"\n`{name}` failed on {machine.name}: {machine.entries[name]['failed']}\n"
    return text


def under_load(machines: Sequence[Machine], benchmarks: Sequence[str]) -> str:
    """A line per machine with the benchmarks that were taken beside other programs; empty if there is none."""
    lines = {machine.name: ", ".join(machine.under_load(benchmarks)) for machine in machines}
    return "".join(
        f"\nMeasured on {name} while other programs took part of the machine: {found}.\n"
        for name, found in lines.items()
        if found
    )


def _cells(machines: Sequence[Machine], row: Row) -> list[str]:
    return [machine.cell(row) for machine in machines]


def _origins(machines: Sequence[Machine], benchmarks: Sequence[str]) -> str:
    origins = dict.fromkeys(machine.taken(name) for machine in machines for name in benchmarks)
    return "commit " + ", ".join(origin for origin in origins if origin)


def command(benchmark: str) -> str:
    """Returns the command line of a benchmark."""
    return " ".join(["styletalk bench", *RUNS[benchmark]])


def overview(machines: Sequence[Machine]) -> str:
    """The table of the README: results on each machine, their dates and load, and the command that measures them."""
    rows = [[row.label, *_cells(machines, row), f"`{command(row.benchmark)}`"] for row in README]
    dates = ["measured on", *(_period(machine.dates) for machine in machines), ""]
    head = ["", *(machine.name for machine in machines), "measured by"]
    told = table(head, [dates, *(row for row in rows if set(row[1:-1]) != {_NONE})])
    return told + under_load(machines, list(dict.fromkeys(row.benchmark for row in README)))


def _period(dates: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys([*dates[:1], *dates[-1:]]))


def against_the_paper(machine: Machine, paper: Figures) -> str:
    """The metrics of the paper, with the results reported there."""
    measured = machine.entries["quality"]["self_driven"]
    rows = [[name, *(_value(row, key) for key in _PAPERS)] for name, row in paper["rows"].items()]
    for group in _GROUPS:
        found = measured[group]
        label = (
            f"here, {_GROUPS[group]} ({_count(found['clips'], 'clip')}, {_count(found['people'], 'person', 'people')})"
        )
        rows.append([label, *(_value(found["mean"], key) for key in _PAPERS)])
    rows.append(["here, still face", *(_value(measured[UNSEEN]["baselines"]["still"], key) for key in _PAPERS)])
    return table(["", *_PAPERS.values()], rows) + f"\nResults of the paper: {paper['source']}."


def beside_baselines(machine: Machine) -> str:
    """All metrics of each group, and of the baselines on unseen people."""
    measured = machine.entries["quality"]["self_driven"]
    unseen = measured[UNSEEN]
    columns = [measured[group]["mean"] for group in _GROUPS]
    columns += [unseen["baselines"][name] for name in _BASELINES]
    rows = [[label, *(_value(column, key) for column in columns)] for key, label in _METRICS.items()]
    return table(["", *_GROUPS.values(), *_BASELINES.values()], rows)


def by_weights(machine: Machine) -> str:
    """All metrics of each group with the default and the free weights."""
    sets = {"default": machine.entries["quality"], "free": machine.entries["quality-free"]}
    heads = [f"{label}: {name}" for label in _GROUPS.values() for name in sets]
    columns = [found["self_driven"][group]["mean"] for group in _GROUPS for found in sets.values()]
    labels = _METRICS | {f"{name}_range": f"{name.replace('_', ' ')}, range" for name in ARTICULATORS}
    rows = [[label, *(_value(column, key) for column in columns)] for key, label in labels.items()]
    return table(["", *heads], rows)


def articulated(machine: Machine) -> str:
    """Correlation and range of every articulator in every group; a dash where they were not measured."""
    measured = machine.entries["quality"]["self_driven"]
    columns = [measured[group]["mean"] for group in _GROUPS]
    rows = [
        [name.replace("_", " "), *(_value(column, f"{name}_{figure}") for figure in _ARTICULATED for column in columns)]
        for name in ARTICULATORS
    ]
    rows += [
        [label, *(_value(column, key) for column in columns), *[_NONE] * len(columns)] for key, label in _SPOKEN.items()
    ]
    return table(["", *(f"{figure}: {group}" for figure in _ARTICULATED for group in _GROUPS.values())], rows)


def ranges_of_styles(machine: Machine) -> str:
    """Range of every articulator in every preset, over people never seen, and closed lips; a dash if not measured."""
    found = machine.entries["quality"]["self_driven"][UNSEEN].get("style_ranges", {})
    figures = {name: name.replace("_", " ") for name in ARTICULATORS} | {"silence_closed": "long silences closed"}
    rows = [[style, *(_value(row, name) for name in figures)] for style, row in found.items()]
    return table(["", *figures.values()], rows)


def said_in_styles(machine: Machine) -> str:
    """Metrics of the clips' speech in every emotion."""
    measured = machine.entries["quality"]["self_driven"]
    found = [measured[group]["styles"] for group in _GROUPS]
    rows = [
        [style, *(_value(styles.get(figure, {}), style) for figure in _STYLED for styles in found)]
        for style in found[0]["closure_recall"]
    ]
    return table(["", *(f"{label}: {group}" for label in _STYLED.values() for group in _GROUPS.values())], rows)


def heard(machine: Machine) -> str:
    """Accuracy of the recognizers on the official samples."""
    found = dict(machine.entries["quality"]["recogniser"])
    if free := machine.entries.get("quality-free", {}).get("recogniser"):
        found["neural, free weights"] = free["neural"]
    keys = {
        "strict": "phone accuracy",
        "viseme": "viseme accuracy",
        "closure_recall": "closure recall (P, B, M)",
        "closure_precision": "closure precision (P, B, M)",
    }
    rows = [[name, *(f"{figures[key]:.1%}" for key in keys)] for name, figures in found.items()]
    return table(["", *keys.values()], rows)


def by_delay(machine: Machine) -> str:
    """Accuracy of the recognizer by the delay of its output."""
    found = machine.entries["recognizer-accuracy"]["by_delay"]
    keys = ("strict", "viseme", "viseme_within_one", "closure_recall", "closure_precision")
    heads = [f"{label}: {key.replace('_', ' ')}" for label in ("by hand", "official") for key in keys]
    rows = [
        [delay, *(f"{by[label][key]:.3f}" for label in ("hand", "official") for key in keys)]
        for delay, by in found.items()
    ]
    return table(["delay, ms", *heads], rows)


def calibrated(machine: Machine) -> str:
    """How often the recognizer is right, by its highest probability."""
    found = machine.entries["recognizer-accuracy"]["calibration"]
    names = {"confidence": "highest probability, mean", "accuracy": "right", "share": "share of the columns"}
    return table(list(names.values()), [[f"{one[key]:.2f}" for key in names] for one in found["bins"]])


def languages(machine: Machine) -> str:
    """The recognizer and the lips in every language of `styletalk bench languages`."""
    names = ["viseme accuracy", "within a frame", *_beside("P, B, M recognized", "lips closed", "lips closed, told")]
    keys = ("viseme", "viseme_within_one", *_LIP_CLOSURES, "lips_correlation")
    found = machine.entries["languages"]["languages"]
    rows = [[language, *(f"{figures[key]:.2f}" for key in keys)] for language, figures in found.items()]
    return table(["", *names, "lips, correlation with told"], rows)


def _beside(*labels: str) -> list[str]:
    return [f"{label}: {figure}" for label in labels for figure in ("recall", "precision")]


def rendered(machine: Machine) -> str:
    """Metrics of the renderer on tracked motion."""
    found = machine.entries["quality"]["renderer"]
    columns = {
        "ssim": "SSIM",
        "cpbd_ratio": "CPBD, relative to the real frames",
        "m_lmd": "M-LMD, px",
        "mouth_l1": "mouth L1",
        "mouth_l1_plain_warp": "mouth L1 of a plain warp",
        "told_from_real_mouth": "mouths told from real ones (0.5: never)",
        "told_from_real_eyes": "eyes told from real ones",
    }
    return table(list(columns.values()), [[_value(found, key) for key in columns]])


def _value(row: Figures, key: str) -> str:
    value = row.get(key)
    return _NONE if value is None else f"{value:.3f}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
