"""`styletalk doctor` reports what does not work, with a remedy, and continues with the next check."""

import importlib
import socket
from pathlib import Path
from types import ModuleType

import pytest

from server.cli import doctor, main
from server.config import ServerConfig
from server.webrtc import reachability
from streaming.scheduling.plan import StageCosts, plan_for
from styletalk_core import weights

COSTS = StageCosts(0.06, 0.001, {512: 0.006, 384: 0.004, 256: 0.002}, {512: 0.002, 384: 0.001, 256: 0.001})


def fixes(config: ServerConfig) -> dict[str, str]:
    """What has to be mended, by name of the check."""
    return {name: fix for name, fix in doctor._checks(config) if fix}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine can draw is another matter."""
    monkeypatch.setattr(doctor, "plan_of", lambda config: plan_for(COSTS, 2))


def test_a_taken_port_and_a_missing_certificate_are_reported(tmp_path: Path) -> None:
    missing = str(tmp_path / "chain.pem")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = fixes(ServerConfig(port=port, tls_certificate=missing, tls_key=missing))
    assert f"styletalk serve --port {port + 1}" in found[f"port {port} free"]
    assert "PEM file" in found[f"TLS file {missing}"]


def test_too_few_udp_ports_are_reported() -> None:
    found = fixes(ServerConfig(port=0, udp_ports="47030-47031", max_sessions=8))
    assert "choose a wider range" in found["UDP ports 47030-47031"]


def test_a_relay_and_a_firewall_that_let_nothing_through_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*asked: object) -> None:
        raise reachability.Unreachable("no answer")

    monkeypatch.setattr(reachability, "call_within", unreachable)
    monkeypatch.setattr(reachability, "allocate", unreachable)
    found = fixes(ServerConfig(port=0, turn_urls="turn:127.0.0.1:9", turn_secret="s"))
    assert "allow UDP in the firewall" in found["call within this machine (ICE, DTLS)"]
    assert "static-auth-secret" in found["relay turn:127.0.0.1:9"]


def test_without_a_library_what_needs_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def import_module(name: str, package: str | None = None) -> ModuleType:
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", import_module)
    checks = dict(doctor._checks(ServerConfig(port=0)))
    assert checks["package cv2"].startswith("apt-get install libgl1") and "libGL.so.1" in checks["package cv2"]
    assert not any(name.startswith(("codec", "call", "pictures")) for name in checks)


def test_missing_weights_are_named_and_what_needs_them_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "weight_path", lambda name, weights=None: tmp_path / name)
    checks = dict(doctor._checks(ServerConfig(port=0)))
    (fix,) = [fix for name, fix in checks.items() if name.startswith("default weights: some of the training material")]
    assert fix.startswith("The default weights lack folds.safetensors, mesh64.safetensors,")
    assert not any(name.startswith(("codec", "call", "pictures")) for name in checks)


def test_results_are_printed_line_by_line_and_the_exit_is_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_checks", lambda config: [("paper", ""), ("ink", "buy some")])
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines() == ["ok    paper", "FAIL  ink  ->  buy some"]


def test_the_plan_is_reported_and_only_a_hopeless_machine_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = dict(doctor._checks(ServerConfig(port=0)))
    assert checks["pictures: 512 px at 30 frames per second, 11 ms of 33 ms"] == ""
    monkeypatch.setattr(doctor, "plan_of", lambda config: plan_for(COSTS, 0.01))
    fix = fixes(ServerConfig(port=0))["pictures"]
    assert "use a faster CPU" in fix and "This machine is too slow for calls" in fix


def test_licences_are_printed_instead_of_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--licences"]) == 0
    printed = capsys.readouterr().out
    assert "weights/styletalk.safetensors: research use, no commercial use (weights: default)" in printed
    assert "CPU cores" not in printed
