/**
 * What the user chooses: style or blend, avatar, and the files he brings. It remembers the choice between visits.
 *
 * Out: events "style" {style, weights, intensity, fadeMs} and "avatar" {name, title, thumbnail}. In: `load` the lists,
 * `applied` and `settle` as for the style panel.
 */

import { AvatarPanel } from "./avatar_panel.js";
import { fetchList } from "./choices.js";
import { installDropTarget } from "./drop_target.js";
import { savePreferences } from "./preferences.js";
import { StyleMap } from "./style_map.js";
import { StylePanel } from "./style_panel.js";
import { Upload } from "./upload.js";

const MAP_RETRY = 3000; // ms; a server that warms up has no map yet
const BLEND_FADE = 200; // ms; while the point is dragged, a longer cross-fade would never arrive

export class Settings extends EventTarget {
  #page;
  #styles;
  #map;
  #avatars;

  /** @param {Document} page @param {object} preferences as loaded */
  constructor(page, preferences) {
    super();
    const element = (id) => page.getElementById(id);
    this.#page = page;
    this.#styles = new StylePanel(element("styles"), element("intensity"), element("fade"));
    this.#map = new StyleMap(page);
    this.#avatars = new AvatarPanel(element("avatars"));
    this.#styles.setSliders(preferences);
    this.#styles.addEventListener("change", ({ detail }) => {
      if (detail.style) this.#map.show(detail.style);
      this.#choose(detail);
    });
    this.#map.addEventListener("blend", ({ detail: { weights } }) => {
      this.#styles.blend(weights);
      this.#choose({ ...this.#styles.value, fadeMs: BLEND_FADE });
    });
    this.#avatars.addEventListener("change", ({ detail }) => {
      savePreferences({ avatar: detail.name });
      this.#tell("avatar", detail);
    });
    for (const view of ["presets", "map"]) element(`view-${view}`).addEventListener("click", () => this.#show(view));
    this.#show(preferences.view ?? "presets");
    this.#installUploads(element);
  }

  get style() {
    return this.#styles.value;
  }

  get avatar() {
    return this.#avatars.value;
  }

  /** @param {object} preferences what to choose at first */
  async load(preferences) {
    const [styles, avatars] = await Promise.all([fetchList("api/styles", "styles"), fetchList("api/avatars", "avatars")]);
    this.#styles.fill(styles, preferences.style ?? null);
    this.#avatars.fill(avatars, preferences.avatar ?? null);
    this.#loadMap(styles, preferences.style === null ? preferences.point : null);
  }

  chooseStyle(index) {
    this.#styles.choose(index);
  }

  stepIntensity(steps) {
    this.#styles.stepIntensity(steps);
  }

  applied(style) {
    this.#styles.applied(style);
  }

  settle() {
    this.#styles.settle();
  }

  /** @param {{x: number, y: number} | null | undefined} point of a blend that is chosen again */
  async #loadMap(styles, point) {
    const places = await fetchList("api/styles/map", "places").catch(() => null);
    if (!places) {
      setTimeout(() => this.#loadMap(styles, point), MAP_RETRY);
      return;
    }
    this.#map.fill(places, styles);
    if (point) {
      this.#map.moveTo(point);
      this.#styles.blend(this.#map.weights);
    } else if (this.#styles.value.style) {
      this.#map.show(this.#styles.value.style);
    }
  }

  #choose(detail) {
    const { style, intensity, fadeMs } = this.#styles.value;
    savePreferences({ style, intensity, fadeMs, point: this.#map.point });
    this.#tell("style", detail);
  }

  #show(view) {
    for (const name of ["presets", "map"]) this.#page.getElementById(`view-${name}`).setAttribute("aria-pressed", name === view);
    this.#page.getElementById("styles").hidden = view !== "presets";
    this.#page.getElementById("style-map").hidden = view !== "map";
    this.#map.arrange();
    savePreferences({ view });
  }

  #installUploads(element) {
    const clip = new Upload({
      button: element("own-style"), input: element("own-style-file"), said: element("own-style-said"), address: "api/styles/",
      working: "Watching the face…",
      done: ({ frames_used: frames, notes }) => [`Added from ${frames} frames`, ...notes].join("; ") + ".",
    });
    clip.addEventListener("added", async ({ detail: { name } }) => {
      const styles = await fetchList("api/styles", "styles");
      this.#styles.fill(styles, this.#styles.value.style);
      await this.#loadMap(styles, null);
      this.#styles.chooseNamed(name);
    });
    const photo = new Upload({
      button: element("own-avatar"), input: element("own-avatar-file"), said: element("own-avatar-said"), address: "api/avatars/",
      working: "Finding the face…",
      done: () => "Added.",
    });
    photo.addEventListener("added", async ({ detail: { name } }) => {
      this.#avatars.fill(await fetchList("api/avatars", "avatars"), this.#avatars.value?.name ?? null);
      this.#avatars.chooseNamed(name);
    });
    installDropTarget(this.#page.body, element("drop-hint"), { image: (file) => photo.send(file), other: (file) => clip.send(file) });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
