"""`styletalk presenter record|publish`: a live presenter without programming, into a file or to a streaming server.

Runs on: the main thread. It speaks an audio file, a text, or the lines of standard input as they come.
"""

import argparse
import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import av

from server.bootstrap import make_service
from server.cli.library import Actions, say
from server.cli.local_presenter import LocalPresenter, first_of, present
from server.config import HTTP, RTMP, load
from server.priority import raise_priority
from server.service import Service
from server.sessions.mp4 import check_path
from server.sessions.recording import Recording
from server.tts.spoken_text import sentences
from server.ws.publishing import publish
from streaming.clock import monotonic
from streaming.scheduling.plan import SIZES
from streaming.session import Settings
from streaming.units import TICK_RATE
from styletalk_core.audio import read_pcm
from styletalk_core.errors import InputError, NotFound
from styletalk_core.library.backgrounds import KEEP

LINES_HELD: Final = 4
Speech = Callable[[LocalPresenter], Coroutine[Any, Any, None]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the two actions."""
    actions = Actions(parser)
    recorder = actions.add("record", "record a presenter live into an MP4 file", _record)
    recorder.add_argument("-o", "--output", required=True, type=Path, metavar="out.mp4", help="video to write")
    stream = actions.add("publish", "publish a presenter live to a WHIP or RTMP server", _publish)
    stream.add_argument(
        "--to", required=True, metavar="URL", help="https://... of a WHIP server, or rtmp://...; {presenter} is NAME"
    )
    stream.add_argument("--key-file", dest="whip_out_key_file", metavar="FILE", help="bearer token of a WHIP server")
    for action in (recorder, stream):
        _add_presenter(action)


def _add_presenter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("avatar", metavar="NAME", help="name of a portrait")
    speech = parser.add_mutually_exclusive_group()
    speech.add_argument("--audio", type=Path, metavar="A", help="audio or video file to speak")
    speech.add_argument("--text", metavar="T", help="text to speak (without both: the lines of standard input)")
    parser.add_argument("--style", metavar="S", help="speaking style (as a new session of the server)")
    parser.add_argument(
        "--background", default=KEEP, metavar="B", help="keep, blur, #rrggbb or the name of a background (keep)"
    )
    parser.add_argument("--voice", metavar="NAME", help="text-to-speech voice (as `styletalk serve`)")
    parser.add_argument("--size", choices=("auto", *map(str, reversed(SIZES))), help="video size (auto)")
    parser.add_argument("--config", metavar="FILE.toml", help="settings file of `styletalk serve`")


def _record(args: argparse.Namespace) -> dict[str, Any]:
    """Records; returns ``output`` and its length in ``seconds``.

    Raises:
        InputError: bad options, unreadable audio, a file that cannot be written, or a voice that fails.
        EngineFailure: a model failed.
    """
    check_path(args.output)
    seconds = asyncio.run(record(*_prepared(args), args.output))
    say(args, f"Wrote {args.output}, {seconds:.1f} s.")
    return {"output": str(args.output), "seconds": seconds}


def _publish(args: argparse.Namespace) -> dict[str, Any]:
    """Publishes; returns for how many ``seconds`` the other server received.

    Raises:
        InputError: bad options, unreadable audio, a server that does not take the presenter, or a voice that fails.
        EngineFailure: a model failed.
    """
    if not args.to.startswith((*HTTP, *RTMP)):
        raise InputError(f"--to takes an address that begins with {', '.join(HTTP)}, {' or '.join(RTMP)}.")
    kind = "whip_out" if args.to.startswith(HTTP) else "rtmp_out"
    seconds = asyncio.run(publish_live(*_prepared(args, **{kind: args.to})))
    say(args, f"Published {seconds:.1f} s.")
    return {"seconds": seconds}


def _prepared(args: argparse.Namespace, **output: str) -> tuple[Service, Settings, Speech]:
    """Return the service of one presenter, what it looks like, and its speech; ``output`` is the only one."""
    speech = _speech(args)
    alone: dict[str, Any] = {"max_sessions": 1, "whip_out": "", "rtmp_out": "", "virtual_camera": ""} | output
    service = make_service(replace(load(args), **alone))
    settings = replace(service.first_settings(), background=args.background)
    _check(service, settings)
    logging.getLogger("server.sessions").setLevel(logging.ERROR)  # what fails there is told in a sentence
    raise_priority()
    return service, settings, speech


def _check(service: Service, settings: Settings) -> None:
    """Checks names before the models are loaded.

    Raises:
        NotFound: there is no such avatar, style or background.
    """
    catalogue = service.catalogue
    for kind, name, entries in (
        ("avatar", settings.avatar, catalogue.avatars()),
        ("style", settings.style, catalogue.styles()),
    ):
        names = [entry.name for entry in entries]
        if name not in names:
            raise NotFound(f"There is no {kind} named {name!r}; there are {', '.join(names)}.")
    catalogue.check_background(settings.background)


# Speech


def _speech(args: argparse.Namespace) -> Speech:
    """Return what is to be spoken.

    Raises:
        InputError: the audio cannot be read, or the text has no words.
    """
    if args.audio:
        samples = read_pcm(args.audio, TICK_RATE)
        return lambda presenter: presenter.speak_audio(samples)
    if args.text is None:
        return lambda presenter: presenter.speak_texts(_lines())
    text = args.text
    if not sentences(text):
        raise InputError("The text has no words to speak.")
    return lambda presenter: presenter.speak_texts(_only(text))


async def _only(text: str) -> AsyncIterator[str]:
    yield text


async def _lines() -> AsyncIterator[str]:
    """Yield the lines of standard input as they come."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(LINES_HELD)

    def put(line: str | None) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    def read() -> None:
        with suppress(RuntimeError, CancelledError), open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as file:
            for line in file:
                put(line.decode(errors="replace"))
            put(None)

    if sys.stdin.isatty():
        print("Each line that you type is spoken; Ctrl-D ends.", file=sys.stderr)
    # A thread of its own, which may wait for a line while the process ends; the loop's threads must not.
    threading.Thread(target=read, name="standard input", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


# Outputs


async def record(service: Service, settings: Settings, speech: Speech, path: Path) -> float:
    """Record a presenter while it speaks; returns the length in seconds. An interrupted recording is complete, too.

    Raises:
        InputError: the file cannot be written, or the speech fails.
    """
    seconds = 0.0

    async def speak(presenter: LocalPresenter) -> None:
        await speech(presenter)
        await presenter.rest()

    async def work(presenter: LocalPresenter) -> None:
        nonlocal seconds
        recording = Recording(presenter.session, path, service.worker.size, service.certificate)
        try:
            await first_of(speak(presenter), recording.wait())
        finally:
            seconds = await recording.stop()

    try:
        await present(service, settings, work)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error
    return seconds


async def publish_live(service: Service, settings: Settings, speech: Speech) -> float:
    """Publish a presenter to the configured output while it speaks; returns the seconds since the connection.

    Raises:
        InputError: there is no connection at first, or the speech fails. Later it is made again.
    """
    began = monotonic()

    async def work(presenter: LocalPresenter) -> None:
        nonlocal began

        def on_failure(words: str) -> None:
            if output.connected.is_set():
                print(f"styletalk: {words}", file=sys.stderr)
            else:
                presenter.fail(words)

        (output,) = publish(service, presenter.session, settings.avatar, on_failure)
        await output.connected.wait()
        began = monotonic()
        await speech(presenter)
        await presenter.rest()

    await present(service, settings, work)
    return round(monotonic() - began, 2)
