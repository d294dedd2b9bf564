"""The control channel: what clients, programs and viewers say and are told over one WebSocket."""
