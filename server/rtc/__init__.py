"""WebRTC: negotiation, the microphone's receive path, the paced tracks, everything changed about aiortc."""
