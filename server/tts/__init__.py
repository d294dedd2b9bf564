"""Text to speech for presenters: one protocol, with local and remote voices."""
