"""Lets a presenter speak a WAV file to everyone who watches.

    pip install websockets
    python push_wav.py speech.wav [presenter] [ws://127.0.0.1:8080]

The file is 16-bit mono at 16, 24 or 48 kHz. It is pushed as fast as the server has room for it. Viewers see it at
http://127.0.0.1:8080/watch.html?presenter=news. A server with an API key finds it in the variable STYLETALK_KEY.
"""

import base64
import json
import os
import sys
import wave
from typing import Any

from websockets.sync.client import connect

PIECE_SECONDS = 0.25


def push(path: str, presenter: str = "news", server: str = "ws://127.0.0.1:8080") -> None:
    """Speaks the file, tells when its end has been heard, and leaves."""
    with wave.open(path) as file:
        rate, sound = file.getframerate(), file.readframes(file.getnframes())
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise SystemExit(f"{path} must be 16-bit mono")
    key = os.environ.get("STYLETALK_KEY")
    with connect(
        f"{server}/ws?format=json", additional_headers={"Authorization": f"Bearer {key}"} if key else {}
    ) as ws:

        def send(kind: str, **fields: Any) -> None:
            ws.send(json.dumps({"type": kind, **fields}))

        def wait_for(kind: str, field: str = "type") -> dict[str, Any]:
            while True:
                message: dict[str, Any] = json.loads(ws.recv())
                if message["type"] == "error":
                    raise SystemExit(message["message"])
                if message["type"] == kind and field in message:
                    return message

        send("presenter.start", name=presenter)
        room = wait_for("presenter.started")["room_ms"]
        piece = int(PIECE_SECONDS * rate) * 2
        for start in range(0, len(sound), piece):
            while room < PIECE_SECONDS * 1000:
                room = wait_for("input_audio.buffer")["room_ms"]  # told every second while sound waits
            send("input_audio.append", audio=base64.b64encode(sound[start : start + piece]).decode(), rate=rate)
            room = wait_for("input_audio.buffer", "utterance")["room_ms"]  # the answer to this append
        send("mark", name="the end")
        send("input_audio.commit")
        print(f"heard {wait_for('mark')['played_ms'] / 1000:.2f} s of {path}")


if __name__ == "__main__":
    push(*sys.argv[1:])
