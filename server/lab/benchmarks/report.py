"""Tables of the page of results and of the README, from the files that `styletalk bench all` writes.

Every machine has a column, the slowest first: what it says holds elsewhere too. How slow a machine is, its reference
times tell (`machine.py`), the same work everywhere. A row is a label, the benchmark it comes from and a template that
is filled with the benchmark's figures: no figure is typed by hand. A row whose figures are not there shows a dash.

Runs on: any thread; pure apart from reading the files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from server.cli.subcommands import OLD_SPELLINGS
from server.lab.benchmarks.quality import SENTENCES, STUDIO, UNSEEN
from server.lab.benchmarks.run_all import RUNS
from styletalk_core.errors import InputError
from styletalk_core.lab.documents.markdown_page import table

PAPER: Final = "paper.json"
"""Figures of the paper, beside the files of the machines."""
_NONE: Final = "–"

Figures = Mapping[str, Any]


class Row(NamedTuple):
    """A line of a table; the benchmark is a key of `RUNS`."""

    label: str
    benchmark: str
    template: str


MACHINE: Final = "machine"
"""Stands for a benchmark in rows about the machine itself, over all of its benchmarks."""
MACHINES: Final = (
    Row("instruction sets", MACHINE, "{features}"),
    Row("cores that may be used", MACHINE, "{core_limit:g}"),
    Row("resample 512 x 512 x 4, processor time", MACHINE, "{remap_ms:.2f} ms"),
    Row("product of 512 x 512 float32 matrices", MACHINE, "{blas_ms:.2f} ms"),
    Row("one VP8 frame at 512 x 512", MACHINE, "{vp8_ms:.2f} ms"),
    Row("share of the machine that other programs took, at most", MACHINE, "{other_programs:.0%}"),
)
SPEED: Final = (
    Row("decode a frame at the paper's size", "decoder", "{ms_per_frame_b1:.2f} ms"),
    Row("each of eight frames in a batch", "decoder", "{ms_per_frame_b8:.2f} ms"),
    Row("the uncached computation takes", "decoder", "{ratio_uncached:.1f} times as long"),
    Row("mix the experts of a new style", "decoder", "{style_switch_ms:.1f} ms"),
    Row("hear 20 ms of sound, median / p99", "recognizer", "{step_ms:.2f} / {step_p99_ms:.2f} ms"),
    Row("render at 512 x 512, median / p95", "renderer", "{ms_512:.2f} / {ms_512_p95:.2f} ms"),
    Row("render at 256 x 256, median / p95", "renderer", "{ms_256:.2f} / {ms_256_p95:.2f} ms"),
    Row("PIRenderer at 256 x 256", "renderer", "{pirenderer_ms_256:.0f} ms, {speed_ratio_256:.0f} times as long"),
    Row("memory of a prepared portrait at 512 x 512", "renderer", "{memory_mb:.0f} MB"),
)
LATENCY: Final = (
    Row("microphone to displayed frame, p50 / p95 / p99", "latency", "{p50_ms:.0f} / {p95_ms:.0f} / {p99_ms:.0f} ms"),
    *(
        Row(f"- {OLD_SPELLINGS.get(part, part)}", "latency", f"{{parts[{part}]:.1f}} ms")
        for part in (
            "microphone and uplink", "room for late packets", "recogniser", "look-ahead", "decoder", "renderer",
            "waiting for its time", "encode", "downlink and display",
        )
    ),
    Row("- not accounted for", "latency", "{unaccounted_ms:.1f} ms"),
    Row("picture minus sound, mean / p95", "latency", "{skew_mean_ms:.0f} / {skew_p95_ms:.0f} ms"),
    Row("frames shown in the browser", "latency", "{fps:.2f} per second"),
    Row("95 % of the intervals between them are below", "latency", "{frame_interval_p95_ms:.0f} ms"),
    Row("late frames", "latency", "{late_share:.2%}"),
    Row("picture size, changes of it", "latency", "{size}, {size_changes}"),
    Row("delay D at first / at most / at last", "latency",
        "{delay_ms[first]:.0f} / {delay_ms[largest]:.0f} / {delay_ms[last]:.0f} ms"),
    Row("beside a busy loop on each of two cores: frames shown", "latency", "{busy[fps]:.1f} per second"),
    Row("- 95 % of the intervals between them are below", "latency", "{busy[frame_interval_p95_ms]:.0f} ms"),
    Row("- picture minus sound, p95", "latency", "{busy[skew_p95_ms]:.0f} ms"),
    Row("- the full rate is back after", "latency", "{recovery_s:.1f} s"),
    Row("frames measured", "latency", "{samples}"),
    Row("a chosen style shows, median / worst", "switch", "{style_shown_p50_ms:.0f} / {style_shown_max_ms:.0f} ms"),
    Row("- before the work on its first frame begins", "switch",
        "{style_waited_p50_ms:.0f} / {style_waited_max_ms:.0f} ms"),
    Row("a chosen avatar shows, median / worst", "switch", "{avatar_shown_p50_ms:.0f} / {avatar_shown_max_ms:.0f} ms"),
    Row("sound and picture after an outage of the network, at the latest", "outage",
        "{outage_sound_max_ms:.0f} and {outage_picture_max_ms:.0f} ms after its return"),
    Row("- after a change of the network", "outage", "{change_sound_max_ms:.0f} and {change_picture_max_ms:.0f} ms"),
    Row("- same session, same settings", "outage", "{same_session_and_settings}"),
    Row("ten seconds without network: seen / heard again after its return, worst", "outage",
        "{outage_picture_max_ms:.0f} / {outage_sound_max_ms:.0f} ms"),
    Row("a change of network that nobody tells of: seen / heard again, worst", "outage",
        "{change_picture_max_ms:.0f} / {change_sound_max_ms:.0f} ms"),
    Row("a client that has vanished: its place is free again, worst", "outage", "{place_back_max_ms:.0f} ms"),
    Row("silent after an interruption, median / worst", "interruption",
        "{stale_sound_p50_ms:.0f} / {stale_sound_max_ms:.0f} ms"),
    Row("no stale picture after an interruption, median / worst", "interruption",
        "{stale_picture_p50_ms:.0f} / {stale_picture_max_ms:.0f} ms"),
)  # fmt: skip
_COST: Final = "{cpu_per_session:.2f} CPU seconds per second, {memory_mb_per_session:.0f} MB"
CAPACITY: Final = (
    Row("sessions at 512 x 512", "capacity", "{sessions} at {fps:.1f} frames per second, {late_share:.2%} late"),
    Row("cost of each", "capacity", _COST),
    Row("sessions at 256 x 256", "capacity-256", "{sessions} at {fps:.1f} frames per second, {late_share:.2%} late"),
    Row("cost of each", "capacity-256", _COST),
    Row("calls that came and went", "churn", "{cycles}"),
    Row("- memory that they left", "churn", "{rss_growth_mb:.1f} MB"),
    Row("- tasks, threads, descriptors, places that they left", "churn",
        "{tasks_left}, {threads_left}, {descriptors_left}, {slots_left}"),
    Row("one call for", "soak", "{minutes:g} minutes"),
    Row("- drift of the sound", "soak", "{drift_ms:.1f} ms"),
    Row("- growth of memory", "soak", "{rss_growth_mb:.1f} MB"),
    Row("- late frames", "soak", "{late_share:.2%}"),
    Row("- the event loop was blocked, p99 / worst that was its own doing", "soak",
        "{loop_block_p99_ms:.1f} / {loop_own_max_ms:.1f} ms"),
)  # fmt: skip
_MEAN: Final = f"self_driven[{UNSEEN}][mean]"
_SAID: Final = f"self_driven[{SENTENCES}][mean]"
README: Final = (
    Row("microphone to displayed frame, p50 / p95", "latency",
        "{p50_ms:.0f} / {p95_ms:.0f} ms; {unaccounted_ms:.0f} ms are not accounted for"),
    Row("picture minus sound", "latency", "{skew_mean_ms:.0f} ms on average, p95 {skew_p95_ms:.0f} ms"),
    Row("frames shown in the browser", "latency",
        "{fps:.2f} per second, 95 % of the intervals below {frame_interval_p95_ms:.0f} ms"),
    Row("beside a busy loop on each of two cores", "latency",
        "{busy[fps]:.1f} per second, 95 % of the intervals below {busy[frame_interval_p95_ms]:.0f} ms; "
        "the full rate is back after {recovery_s:.1f} s"),
    Row("cost of a call at 512 x 512", "capacity", "{cpu_per_session:.2f} CPU seconds per second"),
    Row("cost of a call at 256 x 256", "capacity-256", "{cpu_per_session:.2f} CPU seconds per second"),
    Row("after an interruption", "interruption",
        "silent after {stale_sound_max_ms:.0f} ms, no stale picture after {stale_picture_max_ms:.0f} ms at the latest"),
    Row("a chosen style shows after", "switch", "{style_shown_p50_ms:.0f} ms, {style_shown_max_ms:.0f} at the latest"),
    Row("heard again when the network is back, or is another one", "outage",
        "{outage_sound_max_ms:.0f} ms, or {change_sound_max_ms:.0f} ms, at the latest"),
    Row("sessions at 512 x 512", "capacity", "{sessions} with {fps:.1f} frames per second, {late_share:.2%} late"),
    Row("sessions at 256 x 256", "capacity-256", "{sessions} with {fps:.1f} frames per second, {late_share:.2%} late"),
    Row("calls that come and go", "churn", "{cycles} leave {rss_growth_mb:.0f} MB, {tasks_left} tasks, "
        "{threads_left} threads, {descriptors_left} descriptors"),
    Row("decode a frame at the paper's size, one CPU thread", "decoder",
        "{ms_per_frame_b1:.2f} ms; the uncached computation takes {ratio_uncached:.0f} times as long"),
    Row("render a frame, one CPU thread", "renderer", "{ms_512:.1f} ms at 512 x 512, {ms_256:.1f} ms at 256 x 256; "
        "PIRenderer takes {pirenderer_ms_256:.0f} ms"),
    Row("recognizer, strict frame / viseme accuracy on the official samples", "quality",
        "{recogniser[neural][strict]:.1%} / {recogniser[neural][viseme]:.1%} "
        "(pocketsphinx {recogniser[pocketsphinx][strict]:.1%} / {recogniser[pocketsphinx][viseme]:.1%})"),
    Row("mouth opening, correlation and range: sentences never heard", "quality",
        f"{{{_SAID}[opening_correlation]:.2f}}, {{{_SAID}[opening_std_ratio]:.2f}} of the truth"),
    Row("the same, people never seen", "quality",
        f"{{{_MEAN}[opening_correlation]:.2f}}, {{{_MEAN}[opening_std_ratio]:.2f}} of the truth"),
    Row("lips of people never seen", "quality",
        f"{{{_MEAN}[lip_error_px]:.2f}} px off; their own mean mouth {{{_MEAN}[lip_error_mean_mouth_px]:.2f}}, "
        f"a still face {{{_MEAN}[lip_error_still_px]:.2f}}; {{{_MEAN}[closure_recall]:.0%}} of P, B and M closed"),
    Row("emotions recognized in generated motion, of eight", "quality",
        f"{{{_MEAN}[style_accuracy]:.0%}}, by a classifier that saw real clips only"),
)  # fmt: skip
_METRICS: Final = {
    "opening_correlation": "correlation of the mouth's opening",
    "opening_std_ratio": "its range, of the truth",
    "lip_error_px": "lip error, px",
    "closure_recall": "P, B, M that are closed",
    "closure_precision": "closings that are P, B, M",
    "jitter_ratio": "jitter, of the truth",
    "f_lmd": "F-LMD, px",
    "m_lmd": "M-LMD, px",
    "ssim": "SSIM",
    "cpbd": "CPBD",
    "identity_similarity": "likeness of the face",
}
_STYLED: Final = {"closure_recall": "P, B, M closed", "opening_std_ratio": "range, of the real style's"}
_GROUPS: Final = {UNSEEN: "never seen", STUDIO: "never seen, GRID", SENTENCES: "never heard, GRID"}
"""Groups of clips and their names in narrow columns."""
_PAPERS: Final = {"ssim": "SSIM", "cpbd": "CPBD", "f_lmd": "F-LMD", "m_lmd": "M-LMD"}
_BASELINES: Final = {
    "still": "still face",
    "mean_per_phone": "mean motion per phone (has seen the answer)",
    "amplitude_jaw": "jaw by loudness",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """One file: the machine's name and what each benchmark found there."""

    name: str
    entries: Mapping[str, Figures]

    def cell(self, row: Row) -> str:
        """The row's figures on this machine, or a dash."""
        try:
            return row.template.format(**(self.itself if row.benchmark == MACHINE else self.entries[row.benchmark]))
        except (KeyError, TypeError, ValueError):  # TypeError and ValueError: a figure that the run could not tell
            return _NONE

    @property
    def itself(self) -> Figures:
        """Features, reference times at their best and the load at its worst, over all benchmarks that tell them."""
        told = [entry for entry in self.entries.values() if "reference" in entry]
        if not told:
            return {}
        references = {key: min(entry["reference"][key] for entry in told) for key in told[0]["reference"]}
        machine: dict[str, Any] = told[0]["machine"]
        worst = max(entry["load"]["other_programs"] for entry in told)
        return machine | references | {"features": ", ".join(machine["features"]), "other_programs": worst}

    @property
    def slowness(self) -> float:
        """Sum of the reference times in ms; 0 where none were taken."""
        return float(sum(value for key, value in self.itself.items() if key.endswith("_ms")))

    def taken(self, benchmark: str) -> str:
        """From which commit the figures are and when they were taken."""
        entry = self.entries.get(benchmark, {})
        return f"{entry['commit']} of {entry['date']}" if "commit" in entry else ""


def read_machines(folder: Path) -> list[Machine]:
    """The machines of a folder, the slowest first; among those whose speed is not known, that with the newest figures.

    Raises:
        InputError: the folder holds no figures.
    """
    machines = []
    for path in sorted(folder.glob("*.json")):
        stored = json.loads(path.read_text())
        if "machine" in stored:
            entries = {name: entry for name, entry in stored.items() if isinstance(entry, dict)}
            machines.append(Machine(f"{stored['machine']}, {stored['cores']} cores", entries))
    if not machines:
        raise InputError(f"{folder} holds no figures; `styletalk bench all --out {folder}` takes them.")
    newest = sorted(machines, key=lambda machine: max(map(str, _dates(machine)), default=""), reverse=True)
    return sorted(newest, key=lambda machine: machine.slowness, reverse=True)


def _dates(machine: Machine) -> list[str]:
    return [entry["date"] for entry in machine.entries.values() if "date" in entry]


def figures(machines: Sequence[Machine], rows: Sequence[Row]) -> str:
    """A table with a column for each machine, and where its figures come from."""
    text = table(["", *(machine.name for machine in machines)], [[row.label, *_cells(machines, row)] for row in rows])
    benchmarks = [name for name in dict.fromkeys(row.benchmark for row in rows) if name != MACHINE]
    if not benchmarks:
        return text
    text += f"\n{', '.join(f'`{command(name)}`' for name in benchmarks)}; {_origins(machines, benchmarks)}.\n"
    for machine in machines:
        for name in benchmarks:
            if "failed" in machine.entries.get(name, {}):
                text += f"\n`{name}` failed on {machine.name}: {machine.entries[name]['failed']}\n"
    return text


def _cells(machines: Sequence[Machine], row: Row) -> list[str]:
    return [machine.cell(row) for machine in machines]


def _origins(machines: Sequence[Machine], benchmarks: Sequence[str]) -> str:
    origins = dict.fromkeys(machine.taken(name) for machine in machines for name in benchmarks)
    return "commit " + ", ".join(origin for origin in origins if origin)


def command(benchmark: str) -> str:
    """Return the benchmark that measures it."""
    return " ".join(["styletalk bench", *RUNS[benchmark]])


def overview(machines: Sequence[Machine]) -> str:
    """The README's table: what, how much on each machine, and the command that shows it."""
    rows = [[row.label, *_cells(machines, row), f"`{command(row.benchmark)}`"] for row in README]
    about = [[row.label, *_cells(machines, row), "every `styletalk bench`"] for row in MACHINES]
    head = ["", *(machine.name for machine in machines), "shown by"]
    return table(head, [row for row in [*about, *rows] if set(row[1:-1]) != {_NONE}])


def against_the_paper(machine: Machine, paper: Figures) -> str:
    """The paper's metrics beside the paper's own figures."""
    measured = machine.entries["quality"]["self_driven"]
    rows = [[name, *(_value(row, key) for key in _PAPERS)] for name, row in paper["rows"].items()]
    for group in _GROUPS:
        found = measured[group]
        label = f"here, {group} ({_count(found['clips'], 'clip')}, {_count(found['people'], 'person', 'people')})"
        rows.append([label, *(_value(found["mean"], key) for key in _PAPERS)])
    rows.append(
        ["here, a still face instead", *(_value(measured[UNSEEN]["baselines"]["still"], key) for key in _PAPERS)]
    )
    return table(["", *_PAPERS.values()], rows) + f"\nThe paper's figures: {paper['source']}."


def beside_baselines(machine: Machine) -> str:
    """Every figure of people never seen, beside motions that cost nothing or know the answer."""
    measured = machine.entries["quality"]["self_driven"]
    unseen = measured[UNSEEN]
    columns = [measured[group]["mean"] for group in _GROUPS]
    columns += [unseen["baselines"][name] for name in _BASELINES]
    rows = [[label, *(_value(column, key) for column in columns)] for key, label in _METRICS.items()]
    return table(["", *_GROUPS, *_BASELINES.values()], rows)


def said_in_styles(machine: Machine) -> str:
    """Return the result of every emotion applied to the clips' words."""
    measured = machine.entries["quality"]["self_driven"]
    found = [measured[group]["styles"] for group in _GROUPS]
    rows = [
        [style, *(_value(styles.get(figure, {}), style) for figure in _STYLED for styles in found)]
        for style in found[0]["closure_recall"]
    ]
    return table(["", *(f"{label}: {group}" for label in _STYLED.values() for group in _GROUPS.values())], rows)


def heard(machine: Machine) -> str:
    """The recognizers on the official samples."""
    found = machine.entries["quality"]["recogniser"]
    keys = {"strict": "frames", "viseme": "visemes", "closure_recall": "P, B, M found", "closure_precision": "and real"}
    rows = [[name, *(f"{figures[key]:.1%}" for key in keys)] for name, figures in found.items()]
    return table(["", *keys.values()], rows)


def rendered(machine: Machine) -> str:
    """The renderer on true motion."""
    found = machine.entries["quality"]["renderer"]
    keys = ("ssim", "cpbd_ratio", "m_lmd", "mouth_l1", "mouth_l1_plain_warp")
    names = ["SSIM", "CPBD, of the real frames", "M-LMD, px", "mouth, L1", "mouth of a plain warp, L1"]
    return table(names, [[_value(found, key) for key in keys]])


def _value(row: Figures, key: str) -> str:
    value = row.get(key)
    return _NONE if value is None else f"{value:.3f}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
