"""Server settings: one frozen object from command line, environment and file, in that order of precedence.

Pure except for reading the file. An unknown or invalid setting is an error that names it.
"""

import ipaddress
import math
import os
import re
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from streaming.scheduling.plan import SIZES
from styletalk_core import weights
from styletalk_core.errors import InputError

ENVIRONMENT_PREFIX = "STYLETALK_SERVE_"
HTTP, WEB_SOCKET, RTMP = ("http://", "https://"), ("ws://", "wss://"), ("rtmp://", "rtmps://")
ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
SESSION_MINUTES, SESSIONS_PER_ADDRESS, DRAIN_SECONDS = 120, 4, 60
"""Defaults of a server that listens beyond loopback."""
MAX_RENDERER_FRAMES = 13
"""Future frames in the window of the paper's renderer."""
SECRETS = (
    "api_key",
    "turn_secret",
    "voice_key",
    "chat_key",
    "transcription_key",
    "realtime_key",
    "whip_out_key",
    "rtmp_out",
)
CHAT_PROMPT = (
    "You are a friendly presenter who talks with a person in a video call. Everything you write is spoken aloud: "
    "answer in one to three short sentences of plain text. Show with set_style how you feel about what you say."
)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """All settings of a server.

    Attributes:
        host: address to listen on; other than loopback needs ``api_key``.
        port: TCP port.
        device: "auto", "cpu", "cuda" or "cuda:N".
        api_key: required from every client when set.
        max_sessions: calls served at the same time; 0 chooses by the device.
        udp_ports: "A-B", the UDP ports media may use; empty for any.
        size: width and height of the video in pixels, 256, 384 or 512; "auto" picks the largest that this machine can
            draw. Under load frames may be smaller.
        weights: "default" or "free", the packaged set of weights and styles; empty for that of ``STYLETALK_WEIGHTS``.
        motion_weights: weights of the motion network, a file of this project or the authors' checkpoint; empty for the
            packaged ones.
        renderer: "mesh", or "pirenderer", which needs ``renderer_weights``, its published checkpoint, and a GPU.
        renderer_frames: frames of motion that the pirenderer waits for, 0 to 13; each delays the face by 33 ms.
        future_frames: phone look-ahead in frames, 0 to 5.
        avatar, style: defaults of a new session; empty for the first of the library.
        allow_origins: other web sites whose pages may use the server, "https://a.example,https://b.example".
        session_minutes: longest session; 0 for no limit on loopback, 120 elsewhere.
        sessions_per_address: sessions per network address; 0 for no limit on loopback, 4 elsewhere.
        drain_seconds: time that calls may continue after SIGTERM; 0 for none on loopback, 60 elsewhere.
        public_address: IP address at which the UDP ports are reachable from outside, if not the machine's own.
        turn_urls: "turn:turn.example:3478?transport=udp,turns:turn.example:5349", relays for clients behind firewalls.
        turn_secret: the relays' shared secret (coturn's static-auth-secret).
        tls_certificate, tls_key: PEM files; browsers give the microphone to https pages only.
        trusted_proxies: addresses whose X-Forwarded-For is trusted.
        log_format: "text" or "json", one object per line.
        voice: text-to-speech voice: hibari, espeak-ng or flite; with ``voice_url`` a voice of that server.
        voice_url: server with OpenAI's speech API, including the version: "https://api.openai.com/v1".
        voice_key, voice_model: API key and model of that server.
        vosk_model: folder or name of a Vosk model; captions need one.
        chat_url: server with OpenAI's chat API that answers in conversations, including the version.
        chat_key, chat_model: API key and model of that server.
        chat_prompt: instructions for the model of a conversation.
        transcription_url: server with OpenAI's transcription API that recognizes words; without it Vosk does.
        transcription_key, transcription_model: API key and model of that server.
        realtime_url: WebSocket with OpenAI's Realtime API, which hears and speaks itself, instead of ``chat_url``.
        realtime_key, realtime_model, realtime_voice: API key, model and voice of that server.
        whip_out: WHIP server that every presenter is published to; {presenter} in it is the presenter's name.
        whip_out_key: bearer token for that server.
        rtmp_out: RTMP stream, "rtmp://HOST/live/KEY", that every presenter is sent to; {presenter} likewise.
        virtual_camera: camera of this machine that shows the presenter: "auto", or its name.
        c2pa_certificate, c2pa_key: PEM files that sign recordings; without them a test certificate does.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    device: str = "auto"
    api_key: str = field(default="", repr=False)
    max_sessions: int = 0
    udp_ports: str = ""
    size: int | str = "auto"
    weights: str = ""
    motion_weights: str = ""
    renderer: str = "mesh"
    renderer_weights: str = ""
    renderer_frames: int = 0
    future_frames: int = 2
    avatar: str = ""
    style: str = ""
    allow_origins: str = ""
    session_minutes: int = 0
    sessions_per_address: int = 0
    drain_seconds: int = 0
    public_address: str = ""
    turn_urls: str = ""
    turn_secret: str = field(default="", repr=False)
    tls_certificate: str = ""
    tls_key: str = ""
    trusted_proxies: str = "127.0.0.1"
    log_format: str = "text"
    voice: str = ""
    voice_url: str = ""
    voice_key: str = field(default="", repr=False)
    voice_model: str = "gpt-4o-mini-tts"
    vosk_model: str = ""
    chat_url: str = ""
    chat_key: str = field(default="", repr=False)
    chat_model: str = "gpt-4.1-mini"
    chat_prompt: str = CHAT_PROMPT
    transcription_url: str = ""
    transcription_key: str = field(default="", repr=False)
    transcription_model: str = "gpt-4o-mini-transcribe"
    realtime_url: str = ""
    realtime_key: str = field(default="", repr=False)
    realtime_model: str = "gpt-realtime"
    realtime_voice: str = ""
    whip_out: str = ""
    whip_out_key: str = field(default="", repr=False)
    rtmp_out: str = field(default="", repr=False)
    virtual_camera: str = ""
    c2pa_certificate: str = ""
    c2pa_key: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError(f"The port must be between 0 and 65535, not {self.port}.")
        for name in ("max_sessions", "session_minutes", "sessions_per_address", "drain_seconds"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} must not be negative, as {getattr(self, name)} is.")
        if str(self.size) not in ("auto", *map(str, SIZES)):
            raise InputError(f"The video size must be auto, 256, 384 or 512, not {self.size}.")
        if not 0 <= self.future_frames <= 5:
            raise InputError(f"future_frames must be 0 to 5, not {self.future_frames}.")
        check_renderer_frames(self.renderer_frames, self.renderer)
        if self.weights:
            weights.checked(self.weights)
        if not self.loopback and not self.api_key:
            raise InputError(
                f"Listening on {self.host} exposes the server: give --api-key or --api-key-file, or use 127.0.0.1."
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise InputError("Give both --tls-certificate and --tls-key, or neither.")
        if bool(self.c2pa_certificate) != bool(self.c2pa_key):
            raise InputError("Give both --c2pa-certificate and --c2pa-key, or neither.")
        if bool(self.turn_urls) != bool(self.turn_secret):
            raise InputError("Give both turn_urls and turn_secret, or neither.")
        if self.log_format not in ("text", "json"):
            raise InputError(f"The log format must be text or json, not {self.log_format!r}.")
        if self.public_address and not _is_address(self.public_address):
            raise InputError(f"--public-address takes an IP address, not {self.public_address!r}.")
        self.udp_range()
        self.origins()
        self._check_addresses()

    def _check_addresses(self) -> None:
        """Raises: InputError: an address is none, or a conversation lacks a part."""
        for name, schemes in (("chat", HTTP), ("transcription", HTTP), ("realtime", WEB_SOCKET)):
            url = getattr(self, f"{name}_url")
            if url and not url.startswith(schemes):
                raise InputError(f"--{name}-url takes an address that begins with {' or '.join(schemes)}, not {url!r}.")
        if self.whip_out and not self.whip_out.startswith(HTTP):
            raise InputError(
                f"--whip-out takes an address that begins with {' or '.join(HTTP)}, not {self.whip_out!r}."
            )
        if self.rtmp_out and not self.rtmp_out.startswith(RTMP):
            raise InputError(f"--rtmp-out takes an address that begins with {' or '.join(RTMP)}.")
        if self.chat_url and self.realtime_url:
            raise InputError("Give --chat-url or --realtime-url, not both.")
        if self.chat_url and not self.transcription_url and not self.vosk_model:
            raise InputError("A conversation needs words: give --vosk-model or --transcription-url with --chat-url.")

    @property
    def loopback(self) -> bool:
        """True when only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def session_seconds(self) -> float:
        """Longest session."""
        minutes = self.session_minutes or (0 if self.loopback else SESSION_MINUTES)
        return minutes * 60.0 if minutes else math.inf

    @property
    def max_per_address(self) -> float:
        """Maximum number of sessions per network address."""
        return self.sessions_per_address or (math.inf if self.loopback else SESSIONS_PER_ADDRESS)

    @property
    def drain_time(self) -> float:
        """Seconds that calls may continue after SIGTERM."""
        return float(self.drain_seconds or (0 if self.loopback else DRAIN_SECONDS))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never appear in the log or in a response."""
        return tuple(getattr(self, name) for name in SECRETS)

    def origins(self) -> tuple[str, ...]:
        """Other web sites whose pages may use the server.

        Raises:
            InputError: one is not a scheme and a host, such as https://example.org.
        """
        origins = tuple(filter(None, (origin.strip() for origin in self.allow_origins.split(","))))
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise InputError(f"--allow-origins takes addresses such as https://example.org, not {origin!r}.")
        return origins

    def frame_sizes(self) -> tuple[int, ...]:
        """Allowed frame sizes in pixels, largest first."""
        return tuple(size for size in SIZES if self.size == "auto" or size <= int(self.size))

    def udp_range(self) -> range | None:
        """The UDP ports for media, None for any.

        Raises:
            InputError: the setting is not "A-B" with 1024 <= A <= B <= 65535.
        """
        if not self.udp_ports:
            return None
        first, _, last = self.udp_ports.partition("-")
        if first.isdigit() and last.isdigit() and 1024 <= int(first) <= int(last) <= 65_535:
            return range(int(first), int(last) + 1)
        raise InputError(f"--udp-ports takes a range such as 50000-50100, not {self.udp_ports!r}.")


def add_motion_weights(parser: ArgumentParser, default: str | None = "") -> None:
    """Adds the option ``--motion-weights``."""
    parser.add_argument(
        "--motion-weights",
        default=default,
        metavar="FILE",
        help="motion network: own weights or the authors' checkpoint",
    )


def add_arguments(parser: ArgumentParser) -> None:
    """Adds an option for each setting; missing ones come from the environment or the file."""
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="TCP port (8080)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--api-key", help="API key required from every client")
    parser.add_argument("--api-key-file", metavar="FILE", help="file with the API key")
    parser.add_argument("--max-sessions", type=int, metavar="N", help="maximum number of simultaneous calls")
    parser.add_argument("--udp-ports", metavar="A-B", help="UDP ports for media")
    parser.add_argument("--size", choices=("auto", *map(str, reversed(SIZES))), help="video size (auto)")
    add_motion_weights(parser, default=None)
    parser.add_argument("--renderer", metavar="NAME", help="mesh or pirenderer (mesh)")
    parser.add_argument("--renderer-weights", metavar="FILE", help="published checkpoint of the pirenderer")
    parser.add_argument("--renderer-frames", type=int, metavar="R", help="frames the pirenderer waits for, 0 to 13 (0)")
    parser.add_argument("--future-frames", type=int, metavar="F", help="phone look-ahead in frames, 0 to 5 (2)")
    parser.add_argument("--public-address", metavar="IP", help="public IP address of the UDP ports")
    parser.add_argument("--allow-origins", metavar="URL,URL", help="other web sites whose pages may use the server")
    parser.add_argument("--session-minutes", type=int, metavar="N", help="maximum session (120; no limit on loopback)")
    parser.add_argument(
        "--sessions-per-address", type=int, metavar="N", help="maximum sessions per address (4; no limit on loopback)"
    )
    parser.add_argument(
        "--drain-seconds", type=int, metavar="N", help="time that calls may continue after SIGTERM (60; 0 on loopback)"
    )
    parser.add_argument("--turn-urls", metavar="URL,URL", help="TURN servers for clients behind firewalls")
    parser.add_argument("--turn-secret-file", metavar="FILE", help="file with the TURN servers' shared secret")
    parser.add_argument("--tls-certificate", metavar="FILE.pem", help="certificate chain for https")
    parser.add_argument("--tls-key", metavar="FILE.pem", help="private key of the certificate")
    parser.add_argument("--trusted-proxies", metavar="IP,IP", help="proxies whose X-Forwarded-For is trusted")
    parser.add_argument("--log-format", choices=("text", "json"), help="log format (text)")
    parser.add_argument("--voice", metavar="NAME", help="text-to-speech voice: hibari, espeak-ng or flite (hibari)")
    parser.add_argument("--voice-url", metavar="URL", help="text-to-speech server with OpenAI's API, including /v1")
    parser.add_argument("--voice-key-file", metavar="FILE", help="file with the key of the text-to-speech server")
    parser.add_argument("--voice-model", metavar="NAME", help="model of the text-to-speech server")
    parser.add_argument(
        "--vosk-model", metavar="MODEL", help="Vosk model for words and captions: a folder, or a name like en-us"
    )
    _add_conversation(parser)
    parser.add_argument(
        "--whip-out", metavar="URL", help="WHIP server to publish presenters to; {presenter} is the name"
    )
    parser.add_argument("--whip-out-key-file", metavar="FILE", help="file with the bearer token for that server")
    parser.add_argument("--rtmp-out", metavar="URL", help="RTMP stream to send presenters to; {presenter} is the name")
    parser.add_argument("--virtual-camera", metavar="NAME", help="camera of this machine to show a presenter, or auto")
    parser.add_argument("--c2pa-certificate", metavar="FILE.pem", help="certificate chain that signs recordings (C2PA)")
    parser.add_argument("--c2pa-key", metavar="FILE.pem", help="its private key, P-256")
    parser.add_argument("--config", metavar="FILE.toml", help="settings file")


def _add_conversation(parser: ArgumentParser) -> None:
    parser.add_argument("--chat-url", metavar="URL", help="server with OpenAI's chat API for conversations, with /v1")
    parser.add_argument("--chat-key-file", metavar="FILE", help="file with the key of the chat server")
    parser.add_argument("--chat-model", metavar="NAME", help="model of the chat server")
    parser.add_argument("--chat-prompt", metavar="TEXT", help="instructions for the model of a conversation")
    parser.add_argument("--transcription-url", metavar="URL", help="server with OpenAI's transcription API, with /v1")
    parser.add_argument("--transcription-key-file", metavar="FILE", help="file with the key of that server")
    parser.add_argument("--transcription-model", metavar="NAME", help="model of the transcription server")
    parser.add_argument("--realtime-url", metavar="URL", help="WebSocket with OpenAI's Realtime API for conversations")
    parser.add_argument("--realtime-key-file", metavar="FILE", help="file with the key of the Realtime server")
    parser.add_argument("--realtime-model", metavar="NAME", help="model of the Realtime server")
    parser.add_argument("--realtime-voice", metavar="NAME", help="voice of the Realtime server")


def load(args: Namespace, environment: Mapping[str, str] = os.environ) -> ServerConfig:
    """Return the configuration from all sources.

    Args:
        args: attributes named like the settings, None where not given; ``config`` and ``api_key_file`` name files.

    Raises:
        InputError: an unknown key, a value of the wrong type, or a file that cannot be read.
    """
    values: dict[str, Any] = {}
    if args.config:
        values |= checked(_read_toml(Path(args.config)), f"in {args.config}")
    values |= from_environment(environment)
    values |= {f.name: v for f in fields(ServerConfig) if (v := getattr(args, f.name, None)) is not None}
    for secret in SECRETS:
        if file := getattr(args, f"{secret}_file", None):
            values[secret] = _read_key(Path(file))
    return ServerConfig(**values)


def from_environment(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the settings from the environment, such as ``STYLETALK_SERVE_API_KEY``.

    Raises:
        InputError: an unknown key, or a value of the wrong type.
    """
    prefix = ENVIRONMENT_PREFIX
    given = {key[len(prefix) :].lower(): value for key, value in environment.items() if key.startswith(prefix)}
    return checked(given, "in the environment")


def check_renderer_frames(count: int, renderer: str) -> None:
    """Checks the look-ahead of a renderer in frames of motion.

    Raises:
        InputError: it is out of range, or the renderer has none.
    """
    if not 0 <= count <= MAX_RENDERER_FRAMES:
        raise InputError(f"The pirenderer waits for 0 to {MAX_RENDERER_FRAMES} frames, not {count}.")
    if count and renderer == "mesh":
        raise InputError("Only the pirenderer waits for frames: --renderer-frames needs --renderer pirenderer.")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def checked(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings by name, converted to their types.

    Raises:
        InputError: an unknown key, or a value of the wrong type.
    """
    kinds: dict[str, type] = {f.name: type(f.default) for f in fields(ServerConfig)}
    values = {}
    for key, value in given.items():
        if key not in kinds:
            raise InputError(f"Unknown setting {key!r} ({where}); valid settings are {', '.join(kinds)}.")
        try:
            values[key] = kinds[key](value)
        except ValueError as error:
            raise InputError(f"The setting {key} {where} must be a whole number, not {value!r}.") from error
    return values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The configuration {path} is not valid TOML: {error}.") from error


def _read_key(path: Path) -> str:
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The key file {path} cannot be read.") from error
    if not key:
        raise InputError(f"The key file {path} is empty.")
    return key
