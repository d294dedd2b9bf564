"""Proves that no test waits for a fixed time without saying why."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
SLEEP = re.compile(r"\bsleep\([^#\n]*$", re.M)


def test_every_sleep_says_why_on_its_line() -> None:
    silent = {
        f"{path.relative_to(TESTS)}: {match.group()}"
        for path in sorted(TESTS.rglob("*.py"))
        for match in SLEEP.finditer(path.read_text())
        if path != Path(__file__)
    }
    assert not silent, "see tests/waiting.py"
