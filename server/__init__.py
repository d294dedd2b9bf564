"""The network edge: HTTP, WebSocket, WebRTC, limits, metrics and the command line."""
