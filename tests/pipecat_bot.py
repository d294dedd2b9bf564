"""A Pipecat bot without models for the browser test: `SmallWebRTCTransport`, a voice that hums, and the real service.

    python tests/pipecat_bot.py PORT

The page at / shows and hears it, and counts in `window.seen` what came.
"""

import asyncio
import sys
from typing import Any

import numpy as np
import uvicorn
from deterministic_engine import DeterministicEngine
from pipecat.frames.frames import Frame, StartFrame, TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from server.avatar import Avatar
from server.plugs.pipecat import StyleTalkVideoService

SIZE = 128
RATE = 24_000
PAGE = """<!doctype html><html lang="en"><title>Bot</title><video id="face" autoplay muted playsinline></video><script>
window.seen = { frames: 0, darkest: 255, brightest: 0, loudest: 0 };
const peer = new RTCPeerConnection(), canvas = document.createElement("canvas"), audio = new AudioContext();
const pen = canvas.getContext("2d", { willReadFrequently: true });
peer.addTransceiver("audio", { direction: "recvonly" });
peer.addTransceiver("video", { direction: "recvonly" });
peer.ontrack = ({ track }) => {
  const stream = new MediaStream([track]);
  if (track.kind === "video") { face.srcObject = stream; return; }
  Object.assign(new Audio(), { srcObject: stream, muted: true }).play();
  const level = audio.createAnalyser(), samples = new Float32Array(level.fftSize);
  audio.createMediaStreamSource(stream).connect(level);
  setInterval(() => {
    level.getFloatTimeDomainData(samples);
    seen.loudest = Math.max(seen.loudest, ...samples.map(Math.abs));
  }, 20);
};
const look = () => {
  pen.drawImage(face, 0, 0, 1, 1);
  const [red] = pen.getImageData(0, 0, 1, 1).data;
  Object.assign(seen, { frames: seen.frames + 1, width: face.videoWidth,
    darkest: Math.min(seen.darkest, red), brightest: Math.max(seen.brightest, red) });
  face.requestVideoFrameCallback(look);
};
face.requestVideoFrameCallback(look);
(async () => {
  await peer.setLocalDescription();
  await new Promise((done) => peer.iceGatheringState === "complete" ? done()
    : peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && done()));
  const { sdp, type } = peer.localDescription;
  const answer = await fetch("/api/offer", { method: "POST", body: JSON.stringify({ sdp, type }) });
  await peer.setRemoteDescription(await answer.json());
})();
</script></html>"""


class HummingVoice(FrameProcessor):
    """In place of a text-to-speech: hums for a second, every two seconds."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self.create_task(self._hum(), "hum")

    async def _hum(self) -> None:
        hum = (9_000 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype(np.int16).tobytes()
        while True:
            await self.push_frame(TTSStartedFrame())
            for start in range(0, len(hum), 4_063):
                await self.push_frame(TTSAudioRawFrame(hum[start : start + 4_063], RATE, 1))
            await self.push_frame(TTSStoppedFrame())
            await asyncio.sleep(2)  # a pause between two sentences


async def talk(connection: SmallWebRTCConnection) -> None:
    """Runs one bot until its client leaves."""
    params = TransportParams(
        audio_out_enabled=True,
        video_out_enabled=True,
        video_out_is_live=True,
        video_out_width=SIZE,
        video_out_height=SIZE,
    )
    transport = SmallWebRTCTransport(connection, params)
    face = StyleTalkVideoService(Avatar("ada", "calm", engine=DeterministicEngine(size=SIZE)))
    worker = PipelineWorker(
        Pipeline([transport.input(), HummingVoice(), face, transport.output()]), params=PipelineParams()
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def offer(request: Request) -> Response:
    """Answers a browser's offer with a bot of its own."""
    described: dict[str, Any] = await request.json()
    connection = SmallWebRTCConnection()
    await connection.initialize(sdp=described["sdp"], type=described["type"])
    request.app.state.bots.append(asyncio.create_task(talk(connection), name="bot"))
    return JSONResponse(connection.get_answer())


async def page(request: Request) -> Response:
    """The page."""
    return HTMLResponse(PAGE)


if __name__ == "__main__":
    app = Starlette(routes=[Route("/", page), Route("/api/offer", offer, methods=["POST"])])
    app.state.bots = []
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
