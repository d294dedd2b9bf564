"""The WebSocket channels of clients, presenters and viewers."""
