"""The server's settings: one frozen object from command line, environment and file, in that order of strength.

Pure but for reading the file. An unknown or impossible setting is an error that names it.
"""

import ipaddress
import os
import tomllib
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from styletalk_core.errors import InputError

ENVIRONMENT_PREFIX = "STYLETALK_SERVE_"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything that can be set.

    Attributes:
        host: address to listen on; other than loopback needs ``api_key``.
        port: TCP port.
        device: "auto", "cpu", "cuda" or "cuda:N".
        api_key: required from every client when set.
        max_sessions: calls served at the same time; 0 chooses by the device.
        udp_ports: "A-B", the UDP ports media may use; empty for any.
        size: width and height of the picture in pixels, 256 or 512.
        future_frames: phone look-ahead in frames, 0 to 5.
        avatar, style: what a new session starts with; empty for the first of the library.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    device: str = "auto"
    api_key: str = ""
    max_sessions: int = 0
    udp_ports: str = ""
    size: int = 512
    future_frames: int = 2
    avatar: str = ""
    style: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError(f"The port must be between 0 and 65535, not {self.port}.")
        if self.max_sessions < 0:
            raise InputError(f"max_sessions must not be negative, as {self.max_sessions} is.")
        if self.size not in (256, 512):
            raise InputError(f"The picture size must be 256 or 512, not {self.size}.")
        if not 0 <= self.future_frames <= 5:
            raise InputError(f"future_frames must be 0 to 5, not {self.future_frames}.")
        if not self.loopback and not self.api_key:
            raise InputError(
                f"Listening on {self.host} lets others in: give --api-key or --api-key-file, or keep to 127.0.0.1."
            )
        self.udp_range()

    @property
    def loopback(self) -> bool:
        """True when only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

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


def load(args: Namespace, environment: Mapping[str, str] = os.environ) -> ServerConfig:
    """Puts the configuration together.

    Args:
        args: attributes named like the settings, None where not given; ``config`` and ``api_key_file`` name files.

    Raises:
        InputError: an unknown key, a value of the wrong kind, or a file that cannot be read.
    """
    values: dict[str, Any] = {}
    if args.config:
        values |= _checked(_read_toml(Path(args.config)), f"in {args.config}")
    prefix = ENVIRONMENT_PREFIX
    given = {key[len(prefix) :].lower(): value for key, value in environment.items() if key.startswith(prefix)}
    values |= _checked(given, "in the environment")
    values |= {f.name: v for f in fields(ServerConfig) if (v := getattr(args, f.name, None)) is not None}
    if args.api_key_file:
        values["api_key"] = _read_key(Path(args.api_key_file))
    return ServerConfig(**values)


def _checked(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    kinds: dict[str, type] = {f.name: type(f.default) for f in fields(ServerConfig)}
    values = {}
    for key, value in given.items():
        if key not in kinds:
            raise InputError(f"There is no setting named {key!r} ({where}); known are {', '.join(kinds)}.")
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
