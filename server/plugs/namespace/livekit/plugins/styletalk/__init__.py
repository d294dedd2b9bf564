"""StyleTalk Live as a plugin of LiveKit Agents: `from livekit.plugins.styletalk import AvatarSession`."""

from server.plugs.livekit import AvatarSession, StyleTalkVideoGenerator

__all__ = ["AvatarSession", "StyleTalkVideoGenerator"]
