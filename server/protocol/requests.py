"""Messages from a client: one frozen class for each.

Pure. A field's annotation holds its check and, where the name does not say it, a remark for docs/protocol.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, get_args

from server.protocol.fields import (
    UNSET,
    BadMessage,
    Binary,
    Direction,
    Echo,
    Flag,
    Identifier,
    Nullable,
    Number,
    Selection,
    Shares,
    Text,
    Unset,
    Whole,
    Word,
)
from streaming.audio.resampler import MAX_RATE, MIN_RATE
from streaming.frames.presence import MAX_PITCH, MAX_YAW, Attention
from styletalk_core.library.styles import MAX_INTENSITY

MAX_FADE_MS: Final = 2_000
MAX_BLENDED_STYLES: Final = 8
MAX_NAME_CHARACTERS: Final = 200
MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_AUDIO_BYTES: Final = 1 << 20
"""Limit of the audio in one message."""
MAX_AUDIO_MESSAGE_BYTES: Final = MAX_AUDIO_BYTES * 4 // 3 + MAX_MESSAGE_BYTES
"""Limit of a message with audio, which is base64 in JSON."""
MAX_TEXT_CHARACTERS: Final = 2_000
MAX_LANGUAGE_CHARACTERS: Final = 12
MAX_PRESENTER_NAME_CHARACTERS: Final = 40
DEFAULT_RATE: Final = 24_000
ATTENTIONS: Final = tuple(attention.value for attention in Attention)
MOTION_PARTS: Final = ("expression", "arkit", "visemes", "phones")

Name = Annotated[str, Text(1, MAX_NAME_CHARACTERS)]
OptionalName = Annotated[str | Unset, Text(1, MAX_NAME_CHARACTERS)]
Weights = Annotated[
    Mapping[str, float] | Unset, Shares(MAX_BLENDED_STYLES), f"{{style: share}}, at most {MAX_BLENDED_STYLES} styles"
]
Intensity = Annotated[float | Unset, Number(0, MAX_INTENSITY), f"0 to {MAX_INTENSITY:g}"]
FadeMs = Annotated[float | Unset, Number(0, MAX_FADE_MS), f"0 to {MAX_FADE_MS}"]
VoiceName = Annotated[
    str | Unset,
    Text(1, MAX_NAME_CHARACTERS),
    "hibari, espeak-ng, flite or a voice of the voice server; default: as set by `--voice`",
]
Language = Annotated[
    str | Unset, Identifier(MAX_LANGUAGE_CHARACTERS), "such as en or pt-BR, for voices with several languages"
]
Motion = Annotated[
    tuple[str, ...] | Unset, Selection(MOTION_PARTS), f"true, false or a list of {', '.join(MOTION_PARTS)}"
]


@dataclass(frozen=True, slots=True)
class Request:
    """A message from a client."""

    type: ClassVar[str]
    """The message's type on the wire."""
    answer: ClassVar[str]
    """Type of the message that answers it when it was carried out, for the documentation."""


@dataclass(frozen=True, slots=True)
class Ping(Request):
    """Show that the client is alive."""

    type = "ping"
    answer = "pong"

    t: Annotated[str | float | None, Echo(), "number or text, returned unchanged"] = None


@dataclass(frozen=True, slots=True)
class SetAvatar(Request):
    """Show another avatar."""

    type = "avatar.set"
    answer = "avatar.applied"

    avatar: Name


@dataclass(frozen=True, slots=True)
class SetStyle(Request):
    """Cross-fade to a style or a blend; omitted fields keep their values."""

    type = "style.set"
    answer = "style.applied"

    style: OptionalName = UNSET
    weights: Weights = UNSET
    intensity: Intensity = UNSET
    fade_ms: FadeMs = UNSET

    def __post_init__(self) -> None:
        if self.style is not UNSET and self.weights is not UNSET:
            raise BadMessage("Give style or weights, not both.")


@dataclass(frozen=True, slots=True)
class SetPresence(Request):
    """Choose where the face looks and how it behaves while not speaking; omitted fields keep their values."""

    type = "presence.set"
    answer = "presence.applied"

    attention: Annotated[str | Unset, Word(ATTENTIONS), f"one of {', '.join(ATTENTIONS)}"] = UNSET
    look_at: Annotated[
        tuple[float, float] | Unset,
        Direction(MAX_YAW, MAX_PITCH),
        f"yaw and pitch in radians, up to {MAX_YAW:g} and {MAX_PITCH:g}, positive to the image's right and downwards",
    ] = UNSET
    stillness: Annotated[float | Unset, Number(0, 1), "0 lively to 1 still"] = UNSET


@dataclass(frozen=True, slots=True)
class Interrupt(Request):
    """Stop speaking immediately."""

    type = "avatar.interrupt"
    answer = "avatar.interrupted"


@dataclass(frozen=True, slots=True)
class UpdateSession(SetStyle):
    """Change several settings at once."""

    type = "session.update"
    answer = "one per field"

    avatar: OptionalName = UNSET
    background: Annotated[
        str | Unset,
        Text(1, MAX_NAME_CHARACTERS),
        "a name or `#rrggbb`; with `transparent` the frame is twice as high and its lower half is an alpha mask",
    ] = UNSET
    presenter: Annotated[
        str | Unset | None,
        Nullable(Identifier(MAX_PRESENTER_NAME_CHARACTERS)),
        "name under which viewers can watch this session's call, nil to stop this",
    ] = UNSET
    motion: Motion = UNSET
    captions: Annotated[bool | Unset, Flag(), "whether captions are sent"] = UNSET
    conversation: Annotated[
        bool | Unset, Flag(), "true: the avatar of the call answers the client; false: it repeats the client's words"
    ] = UNSET

    @property
    def changes_style(self) -> bool:
        """True if the message has a field of `style.set`."""
        return any(value is not UNSET for value in (self.style, self.weights, self.intensity, self.fade_ms))


@dataclass(frozen=True, slots=True)
class UpdateViewer(Request):
    """Choose the motion that is sent to the viewer."""

    type = "session.update"
    answer = "motion.applied"

    motion: Motion = UNSET


@dataclass(frozen=True, slots=True)
class StartPresenter(Request):
    """Start a presentation that viewers can watch under this name."""

    type = "presenter.start"
    answer = "presenter.started"

    name: Annotated[str, Identifier(MAX_PRESENTER_NAME_CHARACTERS), Identifier(MAX_PRESENTER_NAME_CHARACTERS).accepts]


@dataclass(frozen=True, slots=True)
class StopPresenter(Request):
    """End the presentation."""

    type = "presenter.stop"
    answer = "presenter.stopped"


@dataclass(frozen=True, slots=True)
class AppendAudio(Request):
    """Push audio: signed 16-bit little-endian PCM, mono, in pieces of any length; or a WAV file."""

    type = "input_audio.append"
    answer = "input_audio.buffer"

    audio: Annotated[bytes, Binary(), "bytes"]
    rate: Annotated[
        int | Unset,
        Whole(MIN_RATE, MAX_RATE),
        f"{MIN_RATE} to {MAX_RATE} Hz, default {DEFAULT_RATE}; constant within an utterance",
    ] = UNSET


@dataclass(frozen=True, slots=True)
class CommitAudio(Request):
    """Complete the utterance."""

    type = "input_audio.commit"
    answer = "input_audio.committed"


@dataclass(frozen=True, slots=True)
class ClearAudio(Request):
    """Discard the utterances that have not started."""

    type = "input_audio.clear"
    answer = "input_audio.cleared"


@dataclass(frozen=True, slots=True)
class SpeakText(Request):
    """Speak a text as an utterance of its own; an utterance that is being pushed or appended is completed first."""

    type = "text.speak"
    answer = "text.accepted"

    text: Annotated[str, Text(1, MAX_TEXT_CHARACTERS), f"1 to {MAX_TEXT_CHARACTERS} characters"]
    voice: VoiceName = UNSET
    language: Language = UNSET


@dataclass(frozen=True, slots=True)
class AppendText(Request):
    """Append a piece of text, as a language model generates it; each sentence is spoken once it is complete."""

    type = "text.append"
    answer = "no answer"

    text: Annotated[str, Text(0, MAX_TEXT_CHARACTERS), f"at most {MAX_TEXT_CHARACTERS} characters"]
    voice: VoiceName = UNSET
    language: Language = UNSET


@dataclass(frozen=True, slots=True)
class CommitText(Request):
    """Complete the appended text."""

    type = "text.commit"
    answer = "text.accepted"


@dataclass(frozen=True, slots=True)
class PlaceMark(Request):
    """Report when the audio pushed so far for the newest utterance, or the whole of a text, has been played."""

    type = "mark"
    answer = "mark"

    name: Annotated[str, Text(1, MAX_NAME_CHARACTERS), f"1 to {MAX_NAME_CHARACTERS} characters"]


@dataclass(frozen=True, slots=True)
class StartRecording(Request):
    """Record the presentation to MP4."""

    type = "recording.start"
    answer = "recording.started"


@dataclass(frozen=True, slots=True)
class StopRecording(Request):
    """Complete the recording."""

    type = "recording.stop"
    answer = "recording.stopped"


PresenterRequest = (
    StartPresenter
    | StopPresenter
    | AppendAudio
    | CommitAudio
    | ClearAudio
    | SpeakText
    | AppendText
    | CommitText
    | PlaceMark
    | StartRecording
    | StopRecording
)

CLIENT_REQUESTS: Final[Sequence[type[Request]]] = (
    Ping,
    SetAvatar,
    SetStyle,
    SetPresence,
    Interrupt,
    UpdateSession,
    *get_args(PresenterRequest),
)
VIEWER_REQUESTS: Final[Sequence[type[Request]]] = (Ping, UpdateViewer)
