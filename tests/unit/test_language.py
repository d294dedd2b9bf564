"""Proves that abandoned names do not return, except in the changelog and the aliases below."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).resolve()
ALIASES = {
    "server/cli/subcommands.py": {"recogniser"},
    "tests/unit/server/cli/test_subcommands.py": {"recogniser"},
}
"""Where an old spelling is still accepted, and the proof."""
KEYS = re.compile(r"""(["'])recogniser\1|\{recogniser\[|`recogniser`|parts\.recogniser""")
"""Keys of metrics, messages and result files, which stay."""
OLD = (
    "Visitor",
    "Visitors",
    "visitor",
    "visitors",
    "_visitor",
    "_visitors",
    "OpenCall",
    "Callers",
    "Presentation",
    "Presenting",
    "WatchChannel",
    "Audience",
    "audience",
    "front_desk",
    "FrontDesk",
    "NoPlace",
    "Stay",
    "visiting",
    "turn_away",
    "carry_out",
    "tell_if_read",
    "come_first",
    "FrameGrid",
    "frame_grid",
    "Animator",
    "animator",
    "Hearing",
    "VideoImage",
    "next_image",
    "SoundTrack",
    "PictureTrack",
    "sound_packet",
    "picture_frame",
    "picture_lag",
    "own_teeth",
    "own_mouth",
    "OwnMouth",
    "OwnFiles",
    "own_files",
    "eater",
    "Eater",
    "hear_clips",
    "recogniser",
    "recognisers",
    "Recogniser",
    "RecogniserNetwork",
    "RecogniserConfig",
    "recognise",
    "recognised",
    "recognising",
    "StylePictures",
    "most_per_address",
    "longest_call",
)
"""Words of identifiers and paths that became others."""
CODE = re.compile(r"(?<![A-Za-z0-9_])(?:" + "|".join(OLD) + r")(?![A-Za-z0-9_])")
BOUNDS = re.compile(
    r"(?<![A-Za-z0-9\"'-])_?(?:[A-Z]+_)*(?:LONGEST|LARGEST|MOST|HIGHEST|STRONGEST|GREATEST|LEAST|SHORTEST|SMALLEST|LOWEST)(?:_[A-Z]+)*(?![A-Za-z0-9-])"
)
FOLDERS = ("client_demo", "docs", "server", "streaming", "styletalk_core", "tests")
SUFFIXES = {".py", ".js", ".html", ".css", ".md", ".toml", ".yaml"}


def texts() -> list[Path]:
    """Return the files that people read and write, without figures."""
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]
    return [path for path in [*found, ROOT / "README.md", ROOT / "pyproject.toml", ROOT / "Makefile"] if path != HERE]


@pytest.mark.parametrize("pattern", [CODE, BOUNDS], ids=["names", "bounds"])
def test_no_name_that_was_given_up_is_used(pattern: re.Pattern[str]) -> None:
    wrong = set()
    for path in texts():
        name = str(path.relative_to(ROOT))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for match in pattern.finditer(KEYS.sub("", line)):
                if match[0] not in ALIASES.get(name, set()):
                    wrong.add(f"{name}:{number}: {match[0]}")
    assert not wrong, "\n".join(sorted(wrong))


def test_every_alias_is_still_one() -> None:
    for name, words in ALIASES.items():
        assert all(word in (ROOT / name).read_text() for word in words), name
