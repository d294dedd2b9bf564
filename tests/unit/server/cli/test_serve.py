"""Proves that the serve command rejects unusable settings with status 2 and one sentence, before loading a model."""

import socket
from pathlib import Path

import numpy as np
import pytest

from server.bootstrap import listen, machine_of, make_worker, measured_encoder
from server.cli import main
from server.config import ServerConfig
from styletalk_core.errors import InputError


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    message = capsys.readouterr().err
    assert str(port) in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--host", "0.0.0.0"], "--api-key"),
        (["--host", "no.such.host.invalid", "--api-key", "k"], "no.such.host.invalid"),
        (["--device", "abacus"], "abacus"),
        (["--udp-ports", "9-1"], "9-1"),
        (["--config", "/nothing.toml"], "/nothing.toml"),
        (["--max-sessions", "-1"], "-1"),
    ],
)
def test_impossible_options_are_refused(options: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", *options]) == 2
    message = capsys.readouterr().err
    assert named in message and message.count("\n") == 1


def test_a_free_port_is_listened_on() -> None:
    listener = listen(ServerConfig(port=0))
    with listener, socket.create_connection(listener.getsockname()):
        pass


def test_the_number_of_sessions_follows_the_device(tmp_path: Path) -> None:
    from styletalk_core.library.avatars import AvatarLibrary
    from styletalk_core.library.backgrounds import BackgroundLibrary
    from styletalk_core.library.styles import StyleLibrary

    libraries = AvatarLibrary(tmp_path), StyleLibrary(tmp_path), BackgroundLibrary(tmp_path)
    assert make_worker(ServerConfig(max_sessions=7), *libraries).slots == 7
    assert make_worker(ServerConfig(), *libraries).slots >= 1
    assert make_worker(ServerConfig(device="cuda:0"), *libraries).slots > 8
    with pytest.raises(InputError, match="abacus"):
        make_worker(ServerConfig(device="abacus"), *libraries)


def test_the_size_is_chosen_or_given(tmp_path: Path) -> None:
    automatic, given = (machine_of(ServerConfig(size=size)) for size in ("auto", "384"))
    assert (automatic.sizes, automatic.fixed) == ((512, 384, 256), False)
    assert (given.sizes, given.fixed) == ((384, 256), True)
    assert ServerConfig(size=256).frame_sizes() == (256,)
    with pytest.raises(InputError, match="300"):
        ServerConfig(size=300)


@pytest.mark.parametrize("size", [512, 256])
def test_an_encoder_of_frames_takes_one_after_the_other(size: int) -> None:
    encode = measured_encoder(size)
    for brightness in (30, 200):
        encode(np.full((size * 3 // 2, size), brightness, np.uint8))
