"""The messages of the WebSocket channels as types: the only source of what clients and server may say."""
