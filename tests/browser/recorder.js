/**
 * Runs in the page: records what arrives, pictures and sound on the page's one clock (performance.now(), ms).
 * While it runs, pixels are only copied; they are scaled and compressed afterwards. A frame's time is its expected
 * display; a sound sample's time is when the audio output plays it.
 */
async ({ seconds, width, worklet }) => {
  const video = document.getElementById("avatar-video");
  const context = new AudioContext({ sampleRate: 48000 });
  const module = URL.createObjectURL(new Blob([worklet], { type: "text/javascript" }));
  await context.audioWorklet.addModule(module);
  URL.revokeObjectURL(module);
  const tap = new AudioWorkletNode(context, "tap", { numberOfInputs: 2 });
  context.createMediaStreamSource(new MediaStream([styletalk.microphone])).connect(tap, 0, 0);
  context.createMediaStreamSource(video.srcObject).connect(tap, 0, 1);
  tap.connect(context.destination);
  await context.resume();

  const blocks = [];
  tap.port.onmessage = ({ data }) => blocks.push(data);
  const frames = [];
  let recording = true;
  const copy = async (picture) => {
    const data = new Uint8Array(picture.allocationSize());
    const { format, codedWidth, codedHeight } = picture;
    const layout = await picture.copyTo(data);
    picture.close();
    return { data, init: { format, codedWidth, codedHeight, layout, timestamp: 0 } };
  };
  const onFrame = (now, { expectedDisplayTime }) => {
    if (!recording) return;
    frames.push({ time: expectedDisplayTime, pixels: width ? copy(new VideoFrame(video)) : null });
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);

  const clocks = [];
  const playout = [];
  const ends = performance.now() + seconds * 1000;
  while (performance.now() < ends) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    clocks.push(performanceTime - contextTime * 1000);
    const reports = [...(await styletalk.peer.getStats()).values()].filter(({ type }) => type === "inbound-rtp");
    const playing = (kind) => reports.find((report) => report.kind === kind)?.estimatedPlayoutTimestamp ?? null;
    playout.push({ audio: playing("audio"), video: playing("video") });
  }
  recording = false;
  await context.suspend();

  const base64 = (buffer) => {
    let text = "";
    const bytes = new Uint8Array(buffer);
    for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
    return btoa(text);
  };
  const encode = async (frame) => {
    const { data, init } = await frame.pixels;
    const picture = new VideoFrame(data, init);
    const canvas = new OffscreenCanvas(width, width);
    canvas.getContext("2d").drawImage(picture, 0, 0, width, width);
    picture.close();
    delete frame.pixels;
    frame.jpeg = base64(await (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })).arrayBuffer());
  };
  if (width) for (let i = 0; i < frames.length; i += 16) await Promise.all(frames.slice(i, i + 16).map(encode));
  clocks.sort((a, b) => a - b);
  const offset = clocks[clocks.length >> 1];
  const first = blocks[0].frame;
  const join = (name) => {
    const samples = new Float32Array(blocks.at(-1).frame + 128 - first);
    for (const block of blocks) samples.set(block[name], block.frame - first);
    return base64(samples.buffer);
  };
  const result = {
    frames,
    playout,
    soundStart: (first / 48000) * 1000 + offset,
    microphone: join("microphone"),
    returned: join("returned"),
  };
  await context.close();
  return result;
}
