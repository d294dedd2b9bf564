/**
 * The user's settings: style or blend, avatar, background and uploads; stored as preferences.
 *
 * Out: events "style" {style, weights, intensity, fadeMs}, "avatar" {name, title, thumbnail} and "background" {name}.
 * In: `load` the lists, `applied` and `settle` as for the style panel.
 */

import { AvatarPanel } from "./avatar_panel.js";
import { BackgroundPanel } from "./background_panel.js";
import { fetchList } from "./choices.js";
import { UserUploads } from "./user_uploads.js";
import { savePreferences } from "./preferences.js";
import { StyleMap } from "./style_map.js";
import { StylePanel } from "./style_panel.js";

const MAP_RETRY = 3000; // ms; a server has no map while it warms up
const BLEND_FADE = 200; // ms; while the point is dragged, a longer cross-fade would never arrive

export class Settings extends EventTarget {
  #page;
  #styles;
  #map;
  #avatars;
  #backgrounds;
  #files;

  /** @param {Document} page @param {import("./preferences.js").Preferences} preferences as loaded */
  constructor(page, preferences) {
    super();
    const element = (id) => page.getElementById(id);
    const input = (id) => /** @type {HTMLInputElement} */ (element(id));
    this.#page = page;
    this.#styles = new StylePanel(element("styles"), input("intensity"), input("fade"));
    this.#map = new StyleMap(page);
    this.#avatars = new AvatarPanel(element("avatars"));
    this.#files = new UserUploads(page);
    this.#styles.setSliders(preferences);
    this.#styles.addEventListener("change", (/** @type {CustomEvent} */ { detail }) => {
      if (detail.style) this.#map.show(detail.style);
      this.#choose(detail);
    });
    this.#map.addEventListener("blend", (/** @type {CustomEvent} */ { detail: { weights } }) => {
      this.#styles.blend(weights);
      this.#choose({ ...this.#styles.value, fadeMs: BLEND_FADE });
    });
    this.#avatars.addEventListener("change", () => this.#chooseAvatar());
    this.#backgrounds = new BackgroundPanel(element("backgrounds"), input("background-colour"));
    this.#backgrounds.addEventListener("change", () => this.#chooseBackground());
    for (const view of ["presets", "map"]) element(`view-${view}`).addEventListener("click", () => this.#show(view));
    this.#show(preferences.view ?? "presets");
    this.#files.addEventListener("style", (/** @type {CustomEvent} */ { detail: { name } }) => this.#reloadStyles(name));
    this.#files.addEventListener("background", (/** @type {CustomEvent} */ { detail: { name } }) => this.#reloadBackgrounds(name));
    this.#files.addEventListener("avatar", (/** @type {CustomEvent} */ { detail: { name } }) => this.#reloadAvatars(name));
  }

  get style() {
    return this.#styles.value;
  }

  get avatar() {
    return this.#avatars.value;
  }

  get background() {
    return this.#backgrounds.value;
  }

  /** @param {import("./preferences.js").Preferences} preferences what to choose at first */
  async load(preferences) {
    const kinds = ["styles", "avatars", "backgrounds"];
    const [styles, avatars, backgrounds] = await Promise.all(kinds.map((kind) => fetchList(`api/${kind}`, kind)));
    this.#styles.fill(styles, preferences.style ?? null);
    this.#avatars.fill(avatars, preferences.avatar ?? null);
    this.#backgrounds.fill(backgrounds, preferences.background ?? null);
    this.#styles.wear(this.#avatars.value?.name ?? null);
    this.#files.offerRemoval("style", this.#styles.chosen);
    this.#files.offerRemoval("avatar", this.#avatars.value);
    this.#files.offerRemoval("background", this.#backgrounds.chosen);
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
      this.#choose(this.#styles.value); // a call may have begun in the meantime
    } else if (this.#styles.value.style) {
      this.#map.show(this.#styles.value.style);
    }
  }

  #choose(detail) {
    const { style, intensity, fadeMs } = this.#styles.value;
    savePreferences({ style, intensity, fadeMs, point: this.#map.point });
    this.#files.offerRemoval("style", this.#styles.chosen);
    this.#tell("style", detail);
  }

  #show(view) {
    for (const name of ["presets", "map"]) this.#page.getElementById(`view-${name}`).setAttribute("aria-pressed", name === view);
    this.#page.getElementById("styles").hidden = view !== "presets";
    this.#page.getElementById("style-map").hidden = view !== "map";
    this.#map.arrange();
    savePreferences({ view });
  }

  /** Selects an added style, or the first one after a removal. */
  async #reloadStyles(name) {
    const styles = await fetchList("api/styles", "styles");
    this.#styles.fill(styles, name ?? this.#styles.value.style);
    await this.#loadMap(styles, null);
    this.#choose(this.#styles.value);
  }

  async #reloadAvatars(name) {
    this.#avatars.fill(await fetchList("api/avatars", "avatars"), name ?? this.#avatars.value?.name);
    this.#chooseAvatar();
  }

  #chooseAvatar() {
    const avatar = this.#avatars.value;
    savePreferences({ avatar: avatar.name });
    this.#files.offerRemoval("avatar", avatar);
    this.#styles.wear(avatar.name);
    this.#tell("avatar", avatar);
  }

  async #reloadBackgrounds(name) {
    this.#backgrounds.fill(await fetchList("api/backgrounds", "backgrounds"), name ?? this.#backgrounds.value);
    this.#chooseBackground();
  }

  #chooseBackground() {
    const name = this.#backgrounds.value;
    savePreferences({ background: name });
    this.#files.offerRemoval("background", this.#backgrounds.chosen);
    this.#tell("background", { name });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
