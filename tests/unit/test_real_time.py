"""Proves that a real-time test is skipped if other programs load the machine, and fails otherwise."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from real_time import MODULES, Crowding, crowding, is_real_time, on_a_quiet_machine

TESTS = Path(__file__).parents[1]
QUIET = Crowding(seconds=10, waited=0.5, others_share=0.3, still=0.05)
STOPPED = """
import time
from real_time import crowding
with crowding() as found:
    print("begun", flush=True)
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
print(found.still)
"""


def seen(found: Crowding) -> Callable[[], object]:
    @contextmanager
    def measure() -> Iterator[Crowding]:
        yield found

    return measure


@pytest.mark.parametrize("found", [Crowding(10, 0.5, 0.8), Crowding(10, 3.0, 0.1), Crowding(10, 0.5, 0.1, 0.2)])
def test_a_failure_on_a_crowded_machine_is_a_skip_with_the_reason(found: Crowding) -> None:
    skipped = pytest.raises(pytest.skip.Exception, match=r"other programs took \d+% .* TimeoutError too slow")
    with skipped, on_a_quiet_machine(seen(found)):
        raise TimeoutError("too slow")


def test_a_recording_made_on_a_crowded_machine_is_not_judged() -> None:
    skipped = pytest.raises(pytest.skip.Exception, match=r"took 80% .* AssertionError late")
    with skipped, on_a_quiet_machine(seen(QUIET), [QUIET, Crowding(10, 0.5, 0.8)]):
        raise AssertionError("late")


def test_a_failure_on_a_quiet_machine_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="wrong"), on_a_quiet_machine(seen(QUIET), [QUIET]):
        raise AssertionError("wrong")


def test_an_error_that_has_nothing_to_do_with_time_is_a_failure_everywhere() -> None:
    with pytest.raises(KeyError), on_a_quiet_machine(seen(Crowding(10, 9, 0.9))):
        raise KeyError("style")


def test_what_passes_on_a_crowded_machine_passes() -> None:
    with on_a_quiet_machine(seen(Crowding(10, 9, 0.9))):
        pass


def test_crowding_is_measured() -> None:
    with crowding() as found:
        sum(range(1_000_000))
    assert found.seconds > 0 and 0 <= found.waited <= found.seconds + 0.1 and 0 <= found.others_share <= 1


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
def test_a_process_that_is_stopped_has_stood_still() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], cwd=TESTS, env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        time.sleep(0.5)  # it stands still in real time
        process.send_signal(signal.SIGCONT)
        assert 0.4 < float(process.stdout.readline()) < 60


def test_a_program_that_keeps_the_interpreter_busy_does_not_stand_still() -> None:
    worked = time.process_time()
    with crowding() as found:
        sum(range(20_000_000))
    assert found.still < found.seconds - (time.process_time() - worked) + 0.1


def test_real_clients_and_real_clocks_are_marked(request: pytest.FixtureRequest) -> None:
    assert is_real_time(Path("tests/integration/test_call.py")) and is_real_time(
        Path("tests/unit/streaming/scheduling/test_batch_worker.py")
    )
    assert not is_real_time(Path("tests/unit/streaming/test_session.py")), "its time is virtual"
    assert request.node.get_closest_marker("real_time") is None


def test_every_module_that_is_named_is_there() -> None:
    assert {path.stem for path in TESTS.rglob("test_*.py")} >= MODULES
