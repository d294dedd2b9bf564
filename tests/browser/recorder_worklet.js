/** Sends its two mono inputs (microphone, returned sound) to the page in blocks of 128 samples with their frame. */
class Tap extends AudioWorkletProcessor {
  process(inputs) {
    const silence = new Float32Array(128);
    const [microphone, returned] = inputs.map((input) => input[0] ?? silence);
    this.port.postMessage({ frame: currentFrame, microphone: microphone.slice(), returned: returned.slice() });
    return true;
  }
}
registerProcessor("tap", Tap);
