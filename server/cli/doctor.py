"""`styletalk doctor`: checks this machine and suggests fixes. Changes nothing.

Takes the options of `styletalk serve` and checks a server with these options.
"""

import argparse
import asyncio
import importlib
import logging
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from server import config as settings
from server.bootstrap import choose_weights
from server.config import ServerConfig
from server.processors import available_cores
from streaming.scheduling.measurement import measure
from streaming.scheduling.plan import MachinePlan
from styletalk_core.errors import InputError
from styletalk_core.licences import licences, terms
from styletalk_core.weights import chosen

NATIVE_LIBRARIES = {
    "cv2": "apt-get install libgl1 libglib2.0-0",
    "mediapipe": "apt-get install libegl1 libgles2",
    "av": "pip install --force-reinstall av",
    "aiortc": "pip install --force-reinstall aiortc",
    "torch": "pip install torch==2.13.0",
    "onnxruntime": "pip install --force-reinstall onnxruntime",
}
"""Packages with native code, and the usual fix when they do not load."""

CODECS = {"libvpx": "calls", "libopus": "calls", "libx264": "files", "aac": "files"}
"""Encoders, and the use of each."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PORTS_PER_CALL = 2
"""UDP ports per call: one for each address of the machine, two on most."""

Check = tuple[str, str]
"""A check and its fix, empty when it passed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the server."""
    settings.add_arguments(parser)
    parser.add_argument(
        "--licences",
        action="store_true",
        help="print the terms of the packaged weights, portraits and styles instead",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Runs every check; returns ``checks``, a list of ``name``, ``ok`` and ``fix`` (empty when ok).

    With ``--licences``: returns ``licences``, a list of `Licence` fields, and checks nothing.

    Raises:
        InputError: a server would not start with these options.
    """
    if args.licences:
        return {"licences": _licences(args.json)}
    logging.getLogger("aioice").setLevel(logging.WARNING)
    checks = []
    for name, fix in _checks(settings.load(args)):
        checks.append({"name": name, "ok": not fix, "fix": fix})
        if not args.json:
            print(f"FAIL  {name}  ->  {fix}" if fix else f"ok    {name}", flush=True)
    return {"checks": checks}


def _licences(quiet: bool) -> list[dict[str, Any]]:
    entries = licences()
    if not quiet:
        for entry in entries:
            use = "commercial use allowed" if entry.commercial else "no commercial use"
            print(f"{entry.files}: {entry.licence}, {use} (weights: {entry.weights})")
            print(f"    {entry.content}; {entry.origin}")
    return [asdict(entry) for entry in entries]


def _checks(config: ServerConfig) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield f"Python {version}", "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"
    yield f"{available_cores():g} CPU cores", ""
    packages = [
        _attempt(f"package {name}", partial(importlib.import_module, name), NATIVE_LIBRARIES[name])
        for name in NATIVE_LIBRARIES
    ]
    yield from packages
    models = _weights(config)
    yield models
    yield from _files(config)
    yield from _ports(config)
    if not any(fix for _, fix in (*packages, models)):
        yield from _codecs()
        yield from _media(config)
        yield _plan(config)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    yield "Chromium for the browser tests", "" if browser else "apt-get install chromium (needed only by the tests)"


def _weights(config: ServerConfig) -> Check:
    fix = ""
    try:
        choose_weights(config)
    except InputError as error:
        fix = str(error)
    return f"{chosen()} weights: {terms(chosen()).explanation}", fix


def _files(config: ServerConfig) -> Iterator[Check]:
    for name in filter(None, (config.tls_certificate, config.tls_key)):
        yield _attempt(f"TLS file {name}", Path(name).read_bytes, "give a PEM file that this user may read")


def _ports(config: ServerConfig) -> Iterator[Check]:
    listening = partial(_bind, socket.SOCK_STREAM, config.host, config.port)
    yield _attempt(f"port {config.port} free", listening, f"styletalk serve --port {config.port + 1}")
    yield _attempt("UDP sockets", partial(_bind, socket.SOCK_DGRAM, config.host, 0), f"allow UDP on {config.host}")


def _codecs() -> Iterator[Check]:
    import av

    for codec, use in CODECS.items():
        fix = f"pip install --force-reinstall av: no {use} without it"
        yield _attempt(f"codec {codec}", partial(av.CodecContext.create, codec, "w"), fix)


def _media(config: ServerConfig) -> Iterator[Check]:
    from server.webrtc import reachability
    from server.webrtc.negotiation import MediaPath

    if (ports := config.udp_range()) is not None:
        taken, needed = reachability.taken_ports(MediaPath.of(config)), PORTS_PER_CALL * max(1, config.max_sessions)
        enough = len(ports) - len(taken) >= needed
        fix = f"{len(taken)} of them are in use and {needed} are needed: choose a wider range for --udp-ports"
        yield f"UDP ports {config.udp_ports}", "" if enough else fix
    try:
        asyncio.run(reachability.call_within(config))
        yield "call within this machine (ICE, DTLS)", ""
    except reachability.Unreachable as error:
        fix = f"allow UDP in the firewall, {config.udp_ports or 'all ports'} ({error})"
        yield "call within this machine (ICE, DTLS)", fix
    for url in filter(None, config.turn_urls.split(",")):
        try:
            asyncio.run(reachability.allocate(config, url.strip()))
            yield f"relay {url}", ""
        except reachability.Unreachable as error:
            yield f"relay {url}", f"check its address and that its static-auth-secret is turn_secret ({error})"


def _plan(config: ServerConfig) -> Check:
    """Checks the frame size and rate of a server with these settings."""
    plan = plan_of(config)
    if plan.feasible:
        return f"pictures: {plan.described()}", ""
    return "pictures", f"use a faster CPU or --device cuda ({plan.described()})"


def plan_of(config: ServerConfig) -> MachinePlan:
    """Measures every stage, as a server does at start."""
    from server.bootstrap import machine_of
    from styletalk_core.engine import ModelEngine
    from styletalk_core.library.avatars import AvatarLibrary
    from styletalk_core.library.styles import StyleLibrary

    machine = machine_of(config)
    device = config.device if config.device.startswith("cuda") else "cpu"
    libraries = AvatarLibrary(Path("none")), StyleLibrary(Path("none"))
    engine = ModelEngine(*libraries, device=device, size=machine.sizes[0])
    engine.warmup()
    return machine.plan(measure(engine, machine.sizes, machine.encoder_of))


def _attempt(name: str, check: Callable[[], object], fix: str) -> Check:
    try:
        check()
    except (ImportError, OSError, ValueError) as error:
        return name, f"{fix} ({error})"
    return name, ""


def _bind(kind: socket.SocketKind, host: str, port: int) -> None:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
