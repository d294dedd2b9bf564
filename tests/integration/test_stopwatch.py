"""Proves that the latency benchmark's stopwatch marks the right frames and records all their stages."""

import numpy as np
from live_server import RtcClient, running_server, silence, tone

from server.lab.benchmarks.stopwatch import Stopwatch
from streaming.units import FRAME_TICKS


async def test_a_burst_flashes_in_its_own_frame_and_stages_follow_each_other() -> None:
    async with running_server() as server:
        rtc_client = RtcClient(np.concatenate([silence(0.6), tone(300, 0.4)]))
        assert await rtc_client.call(server) == 201
        await rtc_client.until_frame()
        watch = Stopwatch(server.service.clients.microphone_sessions()[0], server.service.worker)
        await rtc_client.receive(4)
        due = [onset for onset in watch.onsets if watch.now() - onset.captured > 0.6]
        assert len(due) >= 2
        for flash in watch.flashes:
            assert any(0 <= onset.tick - flash < FRAME_TICKS for onset in watch.onsets)
        assert 2 <= len(watch.flashes) <= sum(int(image[8, 8]) > 215 for _, _, image in rtc_client.frames) + 1
        frames = [frame for frame in watch.frames.values() if frame.complete]
        assert len(frames) > 30
        for f in frames:
            stages = [f.captured, f.decoding, f.decoded, f.rendering, f.rendered, f.handed_out, f.encoded, f.sent]
            assert np.diff(stages[:4]).min() >= 0 and np.diff(stages[5:]).min() >= 0
        await rtc_client.aclose()
