"""Emotion names of other avatars' plugins, and the styles that stand for them. Pure."""

from typing import Final, Literal, get_args

from styletalk_core.errors import NotFound

EmotionNoun = Literal["neutral", "happiness", "sadness", "anger", "fear", "surprise", "disgust", "contempt"]
"""As Tavus' plugin and the datasets of emotions spell them."""
EmotionStyle = Literal["neutral", "happy", "sad", "angry", "fearful", "surprised", "disgusted", "contemptuous"]
"""The same eight in the same order, as this project's styles are named."""
Emotion = EmotionNoun | EmotionStyle

_STYLES: Final[dict[str, str]] = {
    **dict(zip(get_args(EmotionNoun), get_args(EmotionStyle), strict=True)),
    **{style: style for style in get_args(EmotionStyle)},
}


def style_of(emotion: str) -> str:
    """Return the style of an emotion in either spelling.

    Raises:
        NotFound: it is none of the eight.
    """
    if emotion.lower() not in _STYLES:
        raise NotFound(f"There is no emotion named {emotion!r}; there are {', '.join(get_args(EmotionNoun))}.")
    return _STYLES[emotion.lower()]
