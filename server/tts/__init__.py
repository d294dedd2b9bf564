"""Text to speech for presenters: one protocol, voices of this machine and of a server."""
