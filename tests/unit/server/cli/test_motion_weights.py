"""`--motion-weights` and the paper's renderer: sessions with checkpoints of the published shapes, and refusals."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from official_checkpoints import motion_checkpoint, renderer_checkpoint
from scipy.io import savemat, wavfile

from server import bootstrap
from server.bootstrap import make_service
from server.cli import main
from server.config import ServerConfig
from styletalk_core.face import basel
from styletalk_core.face.spaces import BFM64


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both checkpoints, a style of the authors and a tenth of a second of audio."""
    folder = tmp_path_factory.mktemp("checkpoints")
    motion_checkpoint(folder / "motion.pth")
    renderer_checkpoint(folder / "renderer.pt")
    savemat(folder / "style.mat", {"coeff": np.random.default_rng(0).standard_normal((90, 257)).astype(np.float32)})
    wavfile.write(folder / "tone.wav", 16_000, (8000 * np.sin(np.arange(1600) / 10)).astype(np.int16))
    return folder


@pytest.fixture(autouse=True)
def folder(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    monkeypatch.chdir(checkpoints)


@pytest.mark.parametrize("renderer", [[], ["--renderer", "pirenderer", "--device", "cpu", "--renderer-frames", "2"]])
def test_a_video_is_rendered_with_the_authors_networks(
    renderer: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["style", "add", "mine", "style.mat"]) == 0
    options = [*renderer, "--renderer-weights", "renderer.pt"] if renderer else []
    words = ["--portrait", "clara", "--audio", "tone.wav", "--style", "mine", "--size", "256"]
    output = tmp_path / "out.mp4"
    assert main(["render", *words, "--motion-weights", "motion.pth", *options, "-o", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["frames"] == 3
    with av.open(str(output)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 3


async def test_a_server_decodes_and_draws_with_the_authors_weights() -> None:
    service = make_service(ServerConfig(device="cpu", size=256, max_sessions=1, motion_weights="motion.pth"))
    assert service.space == BFM64
    worker, settings = service.worker, service.first_settings()
    worker.start()
    try:
        await worker.wait_ready()
        assert service.plan().delay > 0 and worker.plan.best.size == 256
        lease = worker.lease()
        await worker.control(lease, lambda engine: engine.open(lease.slot, settings.avatar, "happy", 1.0, "keep", 256))
        decoded = await worker.decode(lease, np.full((11, 41), 1 / 41, np.float32), 0.0)
        assert decoded.shape == (64,) and np.isfinite(decoded).all()
    finally:
        await worker.aclose()
        await service.aclose()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--motion-weights", "renderer.pt"], "holds the weights of the PIRenderer"),
        (["--motion-weights", "tone.wav"], "neither a weight file"),
        (["--motion-weights", "nowhere.pth"], "nowhere.pth cannot be read"),
        (["--renderer", "pirenderer"], "--renderer-weights"),
        (["--renderer", "pirenderer", "--renderer-weights", "motion.pth"], "not of the PIRenderer"),
        (["--renderer", "pirenderer", "--renderer-weights", "renderer.pt"], "needs a GPU"),
        (["--renderer-frames", "3"], "Only the pirenderer waits"),
        (["--renderer", "pirenderer", "--renderer-weights", "renderer.pt", "--renderer-frames", "14"], "0 to 13"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "render"])
def test_bad_weights_are_refused_in_one_sentence(
    command: str,
    options: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bootstrap, "_has_gpu", lambda: False)
    words = ["--portrait", "clara", "--audio", "tone.wav", "-o", str(tmp_path / "out.mp4")]
    assert main([command, *(words if command == "render" else ["--port", "0"]), *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("styletalk: ") and named in said
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["serve", "--port", "0", "--motion-weights", "motion.pth"],
        ["serve", "--port", "0", "--renderer", "pirenderer", "--renderer-weights", "renderer.pt", "--device", "cpu"],
        ["style", "add", "mine", "style.mat"],
    ],
)
def test_weights_that_cannot_convert_the_authors_coefficients_refuse_them(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(basel, "has_map", lambda: False)
    basel.packaged_map.cache_clear()
    assert main(options) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == (
        "styletalk: The default weights cannot convert coefficients of the authors' networks: use the default ones."
    )


@pytest.mark.lab
def test_weights_of_the_same_name_cannot_be_columns_of_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    twice = ["--motion-weights", "motion.pth", "--motion-weights", str(tmp_path / "motion.bin")]
    assert main(["evaluate", str(tmp_path), *twice]) == 2
    assert "same name" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path), "--motion-weights", "renderer.pt"]) == 2
    assert "holds the weights of the PIRenderer" in capsys.readouterr().err
