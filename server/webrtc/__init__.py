"""WebRTC: negotiation, the audio receiver, the paced tracks, every patch of aiortc."""
