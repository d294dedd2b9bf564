/**
 * Stored preferences of the user. Without browser storage they are lost on reload.
 */

const KEY = "styletalk.preferences";

/**
 * @typedef {{avatar?: string, background?: string, style?: string | null, point?: {x: number, y: number},
 *   view?: "presets" | "map", intensity?: number, fadeMs?: number, presence?: import("./presence_panel.js").Presence, silenced?: boolean, captions?: boolean, processing?: boolean, microphone?: string}} Preferences
 *   style null: the blend at `point` of the style map
 */

/** @returns {Preferences} */
export function loadPreferences() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

/** @param {Preferences} change */
export function savePreferences(change) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...loadPreferences(), ...change }));
  } catch {
    // private windows may refuse storage
  }
}
