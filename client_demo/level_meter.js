/**
 * The user's own level: peak of the last 85 ms in dB full scale, shown with a fast rise and a slow fall.
 */

const FLOOR = -60; // dB full scale, the left end
const FALL = 26; // dB per second
const DRAW_INTERVAL = 60; // ms; every redraw of the meter recomposes the whole page
const ANNOUNCE_INTERVAL = 500; // ms between two values for assistive technology

export class LevelMeter {
  #element;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  #level = FLOOR;
  #running = false;

  /** @param {HTMLElement} element role=meter; reads the custom property --level (0..1) */
  constructor(element) {
    this.#element = element;
  }

  /** @param {MediaStreamTrack} track */
  listen(track) {
    const context = (this.#context ??= new AudioContext());
    const analyser = (this.#analyser ??= new AnalyserNode(context, { fftSize: 4096 }));
    this.#source?.disconnect();
    this.#source = context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(analyser);
    context.resume();
    if (!this.#running) this.#run(analyser);
  }

  stop() {
    this.#running = false;
    this.#source?.disconnect();
    this.#source = null;
    this.#context?.suspend();
    this.#show(FLOOR, true);
  }

  /** @param {AnalyserNode} analyser */
  #run(analyser) {
    this.#running = true;
    const samples = new Float32Array(analyser.fftSize);
    let last = performance.now();
    let announced = 0;
    const draw = (/** @type {number} */ now) => {
      if (!this.#running) return;
      requestAnimationFrame(draw);
      if (now - last < DRAW_INTERVAL) return;
      analyser.getFloatTimeDomainData(samples);
      let peak = 1e-6;
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
      this.#level = Math.max(20 * Math.log10(peak), this.#level - (FALL * (now - last)) / 1000, FLOOR);
      last = now;
      const announce = now - announced > ANNOUNCE_INTERVAL;
      if (announce) announced = now;
      this.#show(this.#level, announce);
    };
    requestAnimationFrame(draw);
  }

  /** @param {number} level @param {boolean} announce */
  #show(level, announce) {
    this.#level = level;
    this.#element.style.setProperty("--level", (1 - level / FLOOR).toFixed(3));
    if (announce) this.#element.setAttribute("aria-valuenow", String(Math.round(level)));
  }
}
