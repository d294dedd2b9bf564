/**
 * Microphone picker and voice processing switch.
 */

import { onDetail } from "./event_detail.js";
import { savePreferences } from "./preferences.js";

/**
 * @param {import("./microphone.js").Microphone} microphone @param {HTMLSelectElement} picker @param {HTMLInputElement} processing
 * @param {(problem: Error) => void} onProblem errors of the device
 */
export function connectMicrophone(microphone, picker, processing, onProblem) {
  processing.checked = microphone.processing;
  picker.addEventListener("change", () => microphone.choose(picker.value).catch(onProblem));
  processing.addEventListener("change", () => {
    savePreferences({ processing: processing.checked });
    microphone.setProcessing(processing.checked).catch(onProblem);
  });
  onDetail(microphone, "devices", (/** @type {{devices: MediaDeviceInfo[]}} */ { devices }) => {
    const chosen = picker.value;
    const known = devices.filter(({ deviceId }) => deviceId);
    const options = known.map(({ deviceId, label }, index) => new Option(label || `Microphone ${index + 1}`, deviceId));
    picker.replaceChildren(...(options.length ? options : [new Option("Default microphone", "")]));
    if (options.some(({ value }) => value === chosen)) picker.value = chosen;
  });
}
