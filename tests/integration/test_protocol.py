"""Proves docs/protocol.md: it suffices to write a client, and it documents every message."""

import ast
import asyncio
import base64
import json
import math
import re
import struct
import urllib.request
from collections import defaultdict
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from live_server import running_server
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/protocol.md").read_text()


def rows(heading: str) -> dict[str, str]:
    """First cell -> rest, of the tables under a heading."""
    part = DOCUMENT.split(f"\n{heading}\n")[1].split("\n#")[0]
    found = {}
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and not set(line) <= set("|- "):
            for name in re.findall(r"`([a-z_.]+)`", cells[0]):
                found[name] = " ".join(cells[1:])
    return found


def documented_fields(description: str) -> set[str]:
    """Every name in backticks, also those in braces and brackets."""
    return {name for quoted in re.findall(r"`([^`]*)`", description) for name in re.findall(r"[a-z_]+", quoted)} | {
        name for group in re.findall(r"[{\[]([^}\]]*)[}\]]", description) for name in re.findall(r"[a-z_]+", group)
    }


class Client:
    """A client written from the document: JSON on the control channel, WHEP for the video."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.got: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def until(self, type: str, seconds: float = 60) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                self.got[message["type"]].append(message)
                if message["type"] == type:
                    return message

    async def first(self, type: str) -> dict[str, Any]:
        return self.got[type][0] if self.got[type] else await self.until(type)

    async def ask(self, type: str, answer: str, **fields: Any) -> dict[str, Any]:
        await self.send(type, **fields)
        return await self.until(answer)


def sine(seconds: float, rate: int) -> str:
    """base64 of signed 16-bit little-endian mono PCM."""
    count = round(seconds * rate)
    wave = (round(9_000 * math.sin(2 * math.pi * 300 * k / rate)) for k in range(count))
    return base64.b64encode(struct.pack(f"<{count}h", *wave)).decode()


def http(method: str, address: str, body: bytes = b"", kind: str = "") -> tuple[int, Message, bytes]:
    request = urllib.request.Request(address, body or None, {"Content-Type": kind} if kind else {}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, answer.headers, answer.read()


async def watch(base: str, path: str) -> tuple[RTCPeerConnection, str]:
    """A viewer that has received a frame, and its Location."""
    peer, seen = RTCPeerConnection(RTCConfiguration(iceServers=[])), asyncio.Event()
    for kind in ("audio", "video"):
        peer.addTransceiver(kind, "recvonly")

    @peer.on("track")
    async def received(track: Any) -> None:
        if track.kind == "video":
            await track.recv()
            seen.set()

    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp.encode()
    status, headers, answer = await asyncio.to_thread(http, "POST", base + path, offer, "application/sdp")
    assert status == 201 and headers["Digital-Source-Type"]
    await peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
    await asyncio.wait_for(seen.wait(), 60)
    return peer, headers["location"]


async def presenter_tour(base: str, client: Client) -> None:
    """Everything that the document says of presenters."""
    created = await client.until("session.created")
    assert created["delay_ms"] > 0
    await client.ask("avatar.set", "avatar.applied", avatar="bob")
    await client.ask("style.set", "style.applied", style="happy", intensity=0.5, fade_ms=100)
    await client.ask("style.set", "style.applied", weights={"happy": 0.5, "calm": 0.5})
    assert (await client.ask("presence.set", "presence.applied", attention="listening"))["stillness"] == 0
    assert (await client.ask("session.update", "motion.applied", motion=["visemes", "expression"]))["parts"] == [
        "expression",
        "visemes",
    ]
    started = await client.ask("presenter.start", "presenter.started", name="doc")
    peer, location = await watch(base, started["watch"])
    motion = await client.until("motion")
    assert len(motion["expression"]) == 64 and abs(sum(motion["visemes"]) - 1) < 0.01
    recording = (await client.ask("recording.start", "recording.started"))["recording"]
    room = (await client.ask("input_audio.append", "input_audio.buffer", audio=sine(1, 16_000), rate=16_000))["room_ms"]
    assert room <= started["room_ms"]
    await client.send("mark", name="one")
    assert (await client.ask("input_audio.commit", "input_audio.committed"))["duration_ms"] == 1_000
    mark = await client.first("mark")
    assert (mark["name"], mark["played_ms"]) == ("one", 1_000)
    assert mark["frame"] - client.got["utterance.started"][0]["frame"] >= 29  # more where a busy machine pauses
    await client.until("utterance.ended")
    await client.ask("text.speak", "text.accepted", text="Hello there. This is only a test of captions.")
    await client.send("mark", name="never")
    caption = await client.until("transcript.final")
    assert caption["text"] == "Hello there."
    cut = await client.ask("avatar.interrupt", "avatar.interrupted")
    assert cut["utterance"] == caption["utterance"] and cut["marks"] == ["never"]
    assert (await client.ask("input_audio.clear", "input_audio.cleared"))["utterances"] == 0
    stopped = await client.ask("recording.stop", "recording.stopped")
    assert stopped["recording"] == recording
    status, headers, _ = await asyncio.to_thread(http, "GET", base + stopped["address"])
    assert status == 200 and headers["content-type"] == "video/mp4"
    assert (await asyncio.to_thread(http, "DELETE", base + stopped["address"]))[0] == 204
    assert (await asyncio.to_thread(http, "DELETE", base + location))[0] == 200
    await client.until("metrics")
    assert (await client.ask("ping", "pong", t="now"))["t"] == "now"
    assert (await client.ask("style.set", "error", style="none"))["code"] == "not_found"
    await client.ask("presenter.stop", "presenter.stopped")
    assert (await client.ask("input_audio.append", "error", audio=""))["code"] == "not_presenting"
    await peer.close()


async def test_a_client_written_from_the_document_works_and_gets_only_what_it_tells_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    async with running_server() as server:
        base = f"http://127.0.0.1:{server.port}"
        async with connect(f"ws://127.0.0.1:{server.port}/ws?format=json") as socket:
            client = Client(socket)
            await presenter_tour(base, client)
    told = rows("### From the server, on a control channel")
    motion = documented_fields(DOCUMENT.split("\n## Motion\n")[1])
    for kind, messages in client.got.items():
        allowed = motion if kind == "motion" else documented_fields(told[kind])
        for message in messages:
            assert message.keys() - {"type"} <= allowed | (documented_fields("`retry_after`")), (kind, message.keys())
    elsewhere = {
        "server.draining",
        "session.placed",
        "watch.started",
        "captions.applied",
        "transcript.partial",
        "presenter.applied",
        "background.applied",
        "conversation.applied",
        "conversation.state",
        "conversation.heard",
        "conversation.replied",
    }
    assert told.keys() - client.got.keys() <= elsewhere  # tested with what causes them


def test_every_code_of_the_server_is_in_the_document() -> None:
    codes = rows("## Errors").keys()
    for path in sorted((ROOT / "server").rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            if name in ("Refusal", "Error", "problem", "reject"):
                code = next((text for text in texts if isinstance(text, str) and re.fullmatch("[a-z_]+", text)), None)
                assert code is None or code in codes, f"{path.name} answers {code}"
            for keyword in call.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    assert keyword.value.value in codes, f"{path.name} answers {keyword.value.value}"
