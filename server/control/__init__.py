"""The control channel: what visitors, programs and viewers say and are told over one WebSocket."""
