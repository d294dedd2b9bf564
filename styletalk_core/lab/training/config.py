"""Motion training settings: a frozen tree read from TOML; unknown keys are errors.

Runs on: any thread; reads one file.
"""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from styletalk_core.errors import InputError

DEFAULT: Final = Path(__file__).with_name("default.toml")
_MAX_STRIDE_FRAMES: Final = 2
PARTS: Final = ("all", "lower", "lower.tail")
"""What can be trained: all, the lower face's decoder, or only its output layers."""
_WHOLE_FACE: Final = ("style", "temporal", "triplet")
"""Terms that look at the upper face or at style codes."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network to train; see `styletalk.Dimensions`."""

    width: int = 128
    heads: int = 4
    feed_forward: int = 512
    layers: int = 2
    phone_embedding: int = 64
    experts: int = 8
    temperature: float = 1.0
    statistics: bool = True


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Clip selection and batch composition."""

    folder: str = "dataset"
    licence: str = "all"
    clips: int = 10
    foreign: int = 6
    frames: int = 64
    stride: int = 2
    style_frames: int = 96
    seed: int = 1


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """Shares and ranges of the augmentations."""

    transfer: float = 0.25
    mirror: float = 0.5
    speed: float = 0.15
    silence: float = 0.03
    noise: float = 0.15
    hard: float = 0.1
    aligned: float = 0.5
    posed: float = 0.0


@dataclass(frozen=True, slots=True)
class ObjectiveConfig:
    """Weight of each term of the objective; 0 switches it off."""

    reconstruction: float = 88.0
    reach: float = 60.0
    jitter: float = 10.0
    closure: float = 3.0
    contact: float = 3.0
    sync: float = 0.0
    style: float = 0.5
    temporal: float = 0.5
    triplet: float = 0.5
    l1_share: float = 0.2


@dataclass(frozen=True, slots=True)
class OptimisationConfig:
    """Training length, learning rate and regularisation."""

    part: str = "all"
    steps: int = 3000
    rate: float = 1e-3
    dropout: float = 0.3
    warmup: int = 100
    average: float = 0.995
    save_every: int = 100


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one training run."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)


def read(path: Path) -> Config:
    """Reads a TOML file over the defaults.

    Raises:
        InputError: the file is missing, is not TOML, or contains an unknown table, an unknown key or a value of the
            wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read as settings: {error}") from error
    defaults = Config()
    known = {entry.name for entry in fields(Config)}
    for name in tables:
        if name not in known:
            raise InputError(f"{path}: unknown table [{name}]; known tables: {', '.join(sorted(known))}")
    licence = tables.get("data", {}).get("licence", defaults.data.licence)
    if licence not in ("all", "free"):
        raise InputError(f"{path}: data.licence must be all or free, not {licence!r}")
    config = Config(**{name: _table(path, name, getattr(defaults, name), tables.get(name, {})) for name in known})
    part = config.optimisation.part
    if part not in PARTS:
        raise InputError(f"{path}: optimisation.part must be one of {', '.join(PARTS)}, not {part!r}")
    if part != "all" and any(getattr(config.objective, name) > 0 for name in _WHOLE_FACE):
        raise InputError(f'{path}: optimisation.part = "{part}" needs {" = ".join(_WHOLE_FACE)} = 0 in [objective]')
    if config.objective.style > 0 and not 1 <= config.data.stride <= _MAX_STRIDE_FRAMES:
        raise InputError(
            f"{path}: data.stride must be 1 or {_MAX_STRIDE_FRAMES}, not {config.data.stride}: a larger stride "
            "leaves the style discriminator too few frames of short clips; or set objective.style = 0"
        )
    return config


def _table(path: Path, table: str, defaults: Any, values: Any) -> Any:
    known = {entry.name: getattr(defaults, entry.name) for entry in fields(defaults)}
    for key, value in values.items():
        if key not in known:
            raise InputError(f"{path}: unknown key {key} in [{table}]; known keys: {', '.join(sorted(known))}")
        wanted = type(known[key])
        if not isinstance(value, (wanted, int) if wanted is float else wanted):
            raise InputError(f"{path}: {table}.{key} must be {wanted.__name__}, not {value!r}")
    return type(defaults)(**{**known, **values})
