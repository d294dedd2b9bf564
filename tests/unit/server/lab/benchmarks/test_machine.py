"""Proves that benchmarks report the machine, reference times and load of their run."""

import argparse
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from server.lab.benchmarks import machine
from server.lab.benchmarks.machine import Machine, OtherPrograms, Reference

needs_proc = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system does not tell processor times")


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def told(**files: str) -> Any:
    """Replaces `_read`: contents of files under /proc and /sys by the last part of their names; no other exists."""
    return lambda path: next((text for name, text in files.items() if path.endswith(name.replace("__", "."))), "")


def test_a_benchmark_carries_machine_reference_and_load(capsys: pytest.CaptureFixture[str]) -> None:
    run = machine.measured_with_machine(lambda args: {"ms": 3.0})
    result = run(argparse.Namespace(json=False))
    assert result["ms"] == 3.0
    assert result["machine"]["cores"] == os.cpu_count() and result["machine"]["processor"]
    assert all(0.01 < value < 1_000 for value in result["reference"].values()) and len(result["reference"]) == 3
    assert 0 <= result["load"]["other_programs"] <= 1
    printed = capsys.readouterr().out
    assert result["machine"]["processor"] in printed and "other programs took" in printed
    run(argparse.Namespace(json=True))
    assert not capsys.readouterr().out


def test_features_are_those_that_kernels_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = "model name\t: Some CPU\nflags\t\t: fpu sse4_1 avx2 avx512_vnni\n"
    monkeypatch.setattr(machine, "_read", told(cpuinfo=cpuinfo))
    here = Machine.here()
    assert (here.processor, here.features) == ("Some CPU", ("sse4_1", "avx2", "avx512_vnni"))
    assert here.name == "Some CPU (AVX2)"


@needs_proc
def test_what_this_program_and_its_children_take_is_not_others() -> None:
    with OtherPrograms.watched() as others:
        child = multiprocessing.get_context("spawn").Process(target=spin, args=(0.3,))
        child.start()
        spin(0.3)
        child.join()
    with OtherPrograms.watched(root=1 << 30) as everything:  # a process that does not exist: all are others
        spin(0.3)
    assert 0 <= others.share < 1 and everything.share > 0
    before = machine._ticks(os.getpid())[2]
    spin(0.3)
    assert machine._ticks(os.getpid())[2] - before >= 0.2 * os.sysconf("SC_CLK_TCK")


def test_reference_times_are_measured_each_time_and_differ_little() -> None:
    one, other = Reference.taken(), Reference.taken()
    assert 0.2 < one.remap_ms / other.remap_ms < 5
