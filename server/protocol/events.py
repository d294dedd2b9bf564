"""Messages from the server: one frozen class for each, and their encoding.

Pure. A field's annotation may hold a remark for docs/protocol.md. A field that is `UNSET` is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Annotated, ClassVar, get_args, get_type_hints

from server.protocol.fields import UNSET, Unset
from server.webrtc.turn import IceServer
from streaming.engine import StyleChoice


@dataclass(frozen=True, slots=True)
class Event:
    """A message from the server."""

    type: ClassVar[str]
    """The message's type on the wire."""
    shared: ClassVar[bool] = False
    """True if it is sent to a presenter's viewers as well."""


FirstFrame = Annotated[int, "the first with the change"]
PlayedMs = Annotated[int, "length that was played"]
Frame = int


@dataclass(frozen=True, slots=True)
class SessionCreated(Event):
    """First message of a control channel."""

    type = "session.created"

    session: Annotated[str, "id"]
    avatar: str
    style: Annotated[str | None, "nil for a blend, then `weights`"]
    weights: Mapping[str, float] | Unset
    intensity: float
    background: str
    fade_ms: int
    delay_ms: int
    max_sessions: int
    ice_servers: Annotated[Sequence[IceServer], "as `GET /api/ice-servers`"]
    generated: Annotated[Mapping[str, str], "{`digital_source_type`, `statement`, `generator`}"]


@dataclass(frozen=True, slots=True)
class SessionPlaced(Event):
    """Answer of a gateway: open the same channel at `url`."""

    type = "session.placed"

    session: str
    url: str
    token: str


@dataclass(frozen=True, slots=True)
class AvatarApplied(Event):
    """The avatar has changed."""

    type = "avatar.applied"
    shared = True

    avatar: str
    frame: FirstFrame


@dataclass(frozen=True, slots=True)
class StyleApplied(Event):
    """A cross-fade to a style or a blend has started."""

    type = "style.applied"
    shared = True

    style: Annotated[str | None, "nil for a blend, then `weights`"]
    weights: Mapping[str, float] | Unset
    intensity: float
    frame: FirstFrame


@dataclass(frozen=True, slots=True)
class BackgroundApplied(Event):
    """The background has changed."""

    type = "background.applied"

    background: str
    frame: FirstFrame


@dataclass(frozen=True, slots=True)
class PresenceApplied(Event):
    """The face changes gradually to this presence."""

    type = "presence.applied"

    attention: str
    look_at: Sequence[float]
    stillness: float
    frame: FirstFrame


@dataclass(frozen=True, slots=True)
class PresenterApplied(Event):
    """The call can be watched under this name, or no longer."""

    type = "presenter.applied"

    presenter: Annotated[str | None, "nil: no longer"]


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """The avatar has started to speak."""

    type = "speech.started"
    shared = True

    frame: Frame


@dataclass(frozen=True, slots=True)
class SpeechStopped(Event):
    """The avatar has stopped speaking."""

    type = "speech.stopped"
    shared = True

    frame: Frame


@dataclass(frozen=True, slots=True)
class AvatarInterrupted(Event):
    """The avatar was silenced."""

    type = "avatar.interrupted"
    shared = True

    played_ms: Annotated[int, "length of the utterance that was played"]
    frame: Annotated[int, "the first silent frame"]
    utterance: Annotated[int | None, "nil in a call, or if nothing was being spoken"]
    marks: Annotated[Sequence[str], "names of the marks that were not reached"]


@dataclass(frozen=True, slots=True)
class Metrics(Event):
    """Measurements, once a second during a call or presentation."""

    type = "metrics"

    fps: Annotated[float, "frames sent in the last second"]
    delay_ms: Annotated[float, "current D"]
    added_delay_ms: Annotated[float, "part of D that was added under load"]
    parts: Annotated[Mapping[str, float], "{name: ms}, what the delay consists of"]
    size: Annotated[int, "current frame size, px"]
    frame_rate: Annotated[float, "current, fps"]
    planned: Annotated[Mapping[str, float], "{`size`, `frame_rate`} without other load"]
    stages: Annotated[Mapping[str, float], "{name: ms}, median of each stage"]
    late: Annotated[int, "number of late frames so far"]
    level: Annotated[float, "of the audio, 0 to 1"]


@dataclass(frozen=True, slots=True)
class Pong(Event):
    """Answer to a ping."""

    type = "pong"

    t: str | float | None


@dataclass(frozen=True, slots=True)
class ServerDraining(Event):
    """The server is going to stop."""

    type = "server.draining"

    seconds: Annotated[int, "until it stops at the latest"]


@dataclass(frozen=True, slots=True)
class Error(Event):
    """A request was refused, or something failed."""

    type = "error"

    code: Annotated[str, "see Errors"]
    message: Annotated[str, "for people"]
    retry_after: Annotated[int | Unset, "seconds, if waiting helps"] = UNSET
    buffered_ms: Annotated[int | Unset, "with `buffer_full`"] = UNSET
    room_ms: Annotated[int | Unset, "with `buffer_full`"] = UNSET


@dataclass(frozen=True, slots=True)
class MotionApplied(Event):
    """The motion that is sent has changed."""

    type = "motion.applied"

    parts: Sequence[str]
    names: Annotated[Mapping[str, Sequence[str]], "{part: names of its values}"]


@dataclass(frozen=True, slots=True)
class Motion(Event):
    """Motion of one frame, see below."""

    type = "motion"

    frame: Frame
    tick: int
    due_ms: int
    pose: Sequence[float]
    gaze: Sequence[float]
    blink: float
    expression: Sequence[float] | Unset = UNSET
    arkit: Sequence[float] | Unset = UNSET
    visemes: Sequence[float] | Unset = UNSET
    phones: Sequence[float] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class CaptionsApplied(Event):
    """Captions were switched on or off."""

    type = "captions.applied"

    captions: bool


@dataclass(frozen=True, slots=True)
class ConversationApplied(Event):
    """Conversation was switched on or off."""

    type = "conversation.applied"

    conversation: bool


@dataclass(frozen=True, slots=True)
class ConversationState(Event):
    """State of the conversation."""

    type = "conversation.state"

    state: Annotated[str, "listening, hearing (the client speaks), thinking or speaking"]


@dataclass(frozen=True, slots=True)
class ConversationHeard(Event):
    """What the client said."""

    type = "conversation.heard"

    text: str


@dataclass(frozen=True, slots=True)
class ConversationReplied(Event):
    """An answer has ended."""

    type = "conversation.replied"

    text: Annotated[str, "the part of it that was played"]
    interrupted: bool


@dataclass(frozen=True, slots=True)
class TranscriptPartial(Event):
    """An unfinished phrase; replaces the previous message."""

    type = "transcript.partial"
    shared = True

    text: Annotated[str, "the words so far"]
    frame: Annotated[int, "the last whose audio is included"]


@dataclass(frozen=True, slots=True)
class CaptionWord:
    """One word of a transcript and the frames between which it is spoken."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TranscriptFinal(Event):
    """A complete phrase."""

    type = "transcript.final"
    shared = True

    text: str
    frame: Frame
    words: Annotated[Sequence[CaptionWord] | Unset, "[{`word`, `start`, `end`}] in frames, if it was recognized"] = (
        UNSET
    )
    utterance: Annotated[int | Unset, "if it is a sentence of a text or an answer, which starts with this frame"] = (
        UNSET
    )


@dataclass(frozen=True, slots=True)
class PresenterStarted(Event):
    """The presentation can be watched."""

    type = "presenter.started"

    presenter: str
    watch: Annotated[str, "address for WHEP"]
    delay_ms: int
    room_ms: int
    generated: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PresenterStopped(Event):
    """The presentation has ended."""

    type = "presenter.stopped"

    presenter: str


@dataclass(frozen=True, slots=True)
class WatchStarted(Event):
    """First message of a viewer's channel."""

    type = "watch.started"

    presenter: str
    avatar: str
    generated: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AudioBuffer(Event):
    """State of the audio buffer, after an append, once a second while audio is waiting, and when none is left."""

    type = "input_audio.buffer"

    buffered_ms: Annotated[int, "of waiting audio"]
    room_ms: Annotated[int, "of audio that can still be sent"]
    utterance: Annotated[int | Unset, "after an append"] = UNSET


@dataclass(frozen=True, slots=True)
class AudioCommitted(Event):
    """The utterance is complete."""

    type = "input_audio.committed"

    utterance: Annotated[int | None, "nil if no sample had been pushed"]
    duration_ms: int


@dataclass(frozen=True, slots=True)
class AudioCleared(Event):
    """Utterances that had not started were discarded."""

    type = "input_audio.cleared"

    utterances: Annotated[int, "their number"]


@dataclass(frozen=True, slots=True)
class TextAccepted(Event):
    """The text will be spoken."""

    type = "text.accepted"

    utterance: Annotated[int | None, "nil if nothing in it can be read aloud"]
    voice: str


@dataclass(frozen=True, slots=True)
class UtteranceStarted(Event):
    """The first sample of an utterance is played."""

    type = "utterance.started"
    shared = True

    utterance: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class UtteranceEnded(Event):
    """The last sample of an utterance has been played."""

    type = "utterance.ended"
    shared = True

    utterance: int
    frame: Frame
    played_ms: PlayedMs


@dataclass(frozen=True, slots=True)
class MarkReached(Event):
    """A mark was reached."""

    type = "mark"
    shared = True

    name: str
    utterance: int
    frame: Annotated[int, "of the mark"]
    played_ms: Annotated[int, "length of the utterance up to the mark"]


@dataclass(frozen=True, slots=True)
class RecordingStarted(Event):
    """The presentation is being recorded."""

    type = "recording.started"

    recording: Annotated[str, "id"]


@dataclass(frozen=True, slots=True)
class RecordingStopped(Event):
    """The recording is complete."""

    type = "recording.stopped"

    recording: str
    seconds: float
    address: Annotated[str, "of the file"]


def encode(event: Event) -> dict[str, object]:
    """The map that represents an event on the wire."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"type": event.type} | {name: _plain(value) for name, value in values.items() if value is not UNSET}


def _plain(value: object) -> object:
    """A list of dataclasses becomes one of maps; anything else is plain already."""
    if isinstance(value, list) and value and is_dataclass(value[0]):
        return [asdict(entry) for entry in value]
    return value


def described(event: type[Event]) -> list[tuple[str, str, bool]]:
    """The fields of an event class for the documentation: name, remark ("" without one), whether it is always there."""
    hints = get_type_hints(event, include_extras=True)
    plain = get_type_hints(event)
    return [
        (f.name, "".join(getattr(hints[f.name], "__metadata__", ())), Unset not in get_args(plain[f.name]))
        for f in fields(event)
    ]


def style_fields(style: StyleChoice) -> tuple[str | None, Mapping[str, float] | Unset]:
    """``style`` and ``weights`` of an event: a name, or nothing and the shares of a blend."""
    return (style, UNSET) if isinstance(style, str) else (None, dict(style))
