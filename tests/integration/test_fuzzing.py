"""A short run of `make fuzz`: malformed input is harmless or rejected with a code; nothing else is raised."""

from pathlib import Path

import pytest
from fuzzing.targets import TARGETS
from hypothesis import HealthCheck, Phase, given, settings


@pytest.mark.parametrize("name", TARGETS)
def test_malformed_input_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    outcomes = set()
    target = TARGETS[name]
    with target.open() as feed:

        @settings(
            max_examples=100,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.cases())
        def run(case: bytes) -> None:
            outcomes.add(feed(case))

        run()
    assert outcomes == {True, False}
