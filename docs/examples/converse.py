"""Talks with the avatar of a server: a recording is the microphone, and the answer is timed.

    python converse.py question.wav [http://127.0.0.1:8080]

Start the server with, for example, `styletalk serve --chat-url http://127.0.0.1:11434/v1 --chat-model llama3.2
--vosk-model en-us`. A server with an API key finds it in the variable STYLETALK_KEY.
"""

import asyncio
import json
import os
import sys
import time

import av
import httpx
import numpy as np
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import connect

AUDIBLE = 800  # of 32,768
CLOSED_MOUTH = 0.85  # share of the viseme of silence


class Recording(AudioStreamTrack):
    """A microphone: the recording in packets of 20 ms, then silence; ``spoke`` is when its last word was sent."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.spoke, shape = 0.0, av.AudioResampler("s16", "mono", 8_000, frame_size=160)
        with av.open(path) as file:
            self._frames = [part for frame in file.decode(audio=0) for part in shape.resample(frame)]

    async def recv(self) -> av.AudioFrame:
        """Return the next packet when it is due."""
        silence = await super().recv()
        if not self._frames:
            return silence
        frame = self._frames.pop(0)
        frame.pts, frame.time_base = silence.pts, silence.time_base
        if np.abs(frame.to_ndarray()).max() > AUDIBLE:
            self.spoke = time.monotonic()
        return frame


async def converse(recording: str, server: str = "http://127.0.0.1:8080") -> None:
    """Asks what is in the recording; prints what both sides said and when the face began to move."""
    headers = {"Authorization": f"Bearer {key}"} if (key := os.environ.get("STYLETALK_KEY")) else {}
    channel = f"{server.replace('http', 'ws', 1)}/ws?format=json"
    async with connect(channel, additional_headers=headers) as ws, httpx.AsyncClient(headers=headers) as http:
        session = json.loads(await ws.recv())["session"]
        await ws.send(json.dumps({"type": "session.update", "conversation": True, "motion": ["visemes"]}))
        peer, microphone, moved = RTCPeerConnection(), Recording(recording), 0.0
        peer.addTransceiver(microphone, "sendrecv")
        peer.addTransceiver("video", "recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        offer, form = peer.localDescription.sdp, {"Content-Type": "application/sdp"}
        answer = await http.post(f"{server}/whip?session={session}", content=offer, headers=form)
        if answer.status_code != 201:
            raise SystemExit(answer.json()["message"])
        await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        async for text in ws:
            message = json.loads(text)
            match message["type"]:
                case "motion" if microphone.spoke and not moved and message["visemes"][0] < CLOSED_MOUTH:
                    moved = time.monotonic() + message["due_ms"] / 1000
                case "conversation.heard":
                    print(f"you: {message['text']}")
                case "conversation.replied":
                    print(f"avatar: {message['text']}")
                    print(f"first motion {1000 * (moved - microphone.spoke):.0f} ms after the end of your words")
                    break
                case "error":
                    raise SystemExit(message["message"])
        await peer.close()


if __name__ == "__main__":
    asyncio.run(converse(*sys.argv[1:]))
