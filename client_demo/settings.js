/**
 * The user's settings: style or blend, avatar, background and uploads; stored as preferences.
 *
 * Out: events "style" {style, weights, intensity, fadeMs}, "avatar" {name, title, thumbnail}, "background" {name} and
 * "presence" {attention, stillness}.
 * In: `load` the lists, `applied` and `settle` as for the style panel.
 */

import { AvatarPanel } from "./avatar_panel.js";
import { BackgroundPanel } from "./background_panel.js";
import { fetchList } from "./choices.js";
import { onDetail } from "./event_detail.js";
import { pagePart } from "./page_part.js";
import { UserUploads } from "./user_uploads.js";
import { savePreferences } from "./preferences.js";
import { PresencePanel } from "./presence_panel.js";
import { StyleMap } from "./style_map.js";
import { StylePanel } from "./style_panel.js";

const VIEWS = /** @type {const} */ (["presets", "map"]);
const MAP_RETRY = 3000; // ms; a server has no map while it warms up
const BLEND_FADE = 200; // ms; while the point is dragged, a longer cross-fade would never arrive

/** @returns {Promise<import("./choices.js").Entry[]>} */
const fetchStyles = () => fetchList("api/styles", "styles");
/** @returns {Promise<import("./choices.js").Entry[]>} */
const fetchAvatars = () => fetchList("api/avatars", "avatars");
/** @returns {Promise<import("./choices.js").Background[]>} */
const fetchBackgrounds = () => fetchList("api/backgrounds", "backgrounds");
/** @returns {Promise<import("./style_map.js").StylePlace[]>} */
const fetchPlaces = () => fetchList("api/styles/map", "places");

export class Settings extends EventTarget {
  #page;
  #styles;
  #map;
  #avatars;
  #backgrounds;
  #presence;
  #files;

  /** @param {Document} page @param {import("./preferences.js").Preferences} preferences as loaded */
  constructor(page, preferences) {
    super();
    const input = (/** @type {string} */ id) => pagePart(page, id, HTMLInputElement);
    const element = (/** @type {string} */ id) => pagePart(page, id, HTMLElement);
    this.#page = page;
    this.#styles = new StylePanel(element("styles"), input("intensity"), input("fade"));
    this.#map = new StyleMap(page);
    this.#avatars = new AvatarPanel(element("avatars"));
    this.#files = new UserUploads(page);
    this.#styles.setSliders(preferences);
    onDetail(this.#styles, "change", (detail) => {
      if (detail.style) this.#map.show(detail.style);
      this.#choose(detail);
    });
    onDetail(this.#map, "blend", ({ weights }) => {
      this.#styles.blend(weights);
      this.#choose({ ...this.#styles.value, fadeMs: BLEND_FADE });
    });
    this.#avatars.addEventListener("change", () => this.#chooseAvatar());
    this.#backgrounds = new BackgroundPanel(element("backgrounds"), input("background-colour"));
    this.#backgrounds.addEventListener("change", () => this.#chooseBackground());
    this.#presence = new PresencePanel(/** @type {HTMLSelectElement} */ (element("attention")), input("stillness"));
    this.#presence.fill(preferences.presence);
    this.#presence.addEventListener("change", () => this.#choosePresence());
    for (const view of VIEWS) element(`view-${view}`).addEventListener("click", () => this.#show(view));
    this.#show(preferences.view ?? "presets");
    onDetail(this.#files, "style", ({ name }) => this.#reloadStyles(name));
    onDetail(this.#files, "background", ({ name }) => this.#reloadBackgrounds(name));
    onDetail(this.#files, "avatar", ({ name }) => this.#reloadAvatars(name));
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

  get presence() {
    return this.#presence.value;
  }

  /** @param {import("./preferences.js").Preferences} preferences what to choose at first */
  async load(preferences) {
    const [styles, avatars, backgrounds] = await Promise.all([fetchStyles(), fetchAvatars(), fetchBackgrounds()]);
    this.#styles.fill(styles, preferences.style ?? null);
    this.#avatars.fill(avatars, preferences.avatar ?? null);
    this.#backgrounds.fill(backgrounds, preferences.background ?? null);
    this.#styles.wear(this.#avatars.value);
    this.#files.offerRemoval("style", this.#styles.chosen);
    this.#files.offerRemoval("avatar", this.#avatars.value);
    this.#files.offerRemoval("background", this.#backgrounds.chosen);
    this.#loadMap(styles, preferences.style === null ? preferences.point : null);
  }

  /** @param {number} index */
  chooseStyle(index) {
    this.#styles.choose(index);
  }

  /** @param {number} steps */
  stepIntensity(steps) {
    this.#styles.stepIntensity(steps);
  }

  /** @param {string | null} style */
  applied(style) {
    this.#styles.applied(style);
  }

  settle() {
    this.#styles.settle();
  }

  /** @param {import("./choices.js").Entry[]} styles @param {{x: number, y: number} | null | undefined} point of a blend that is chosen again */
  async #loadMap(styles, point) {
    const places = await fetchPlaces().catch(() => null);
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

  /** @param {import("./style_panel.js").StyleChoice} detail */
  #choose(detail) {
    const { style, intensity, fadeMs } = this.#styles.value;
    savePreferences({ style, intensity, fadeMs, point: this.#map.point });
    this.#files.offerRemoval("style", this.#styles.chosen);
    this.#tell("style", detail);
  }

  /** @param {"presets" | "map"} view */
  #show(view) {
    const part = (/** @type {string} */ id) => pagePart(this.#page, id, HTMLElement);
    for (const name of VIEWS) part(`view-${name}`).setAttribute("aria-pressed", String(name === view));
    part("styles").hidden = view !== "presets";
    part("style-map").hidden = view !== "map";
    this.#map.arrange();
    savePreferences({ view });
  }

  /** Selects an added style, or the first one after a removal. @param {string | null} name */
  async #reloadStyles(name) {
    const styles = await fetchStyles();
    this.#styles.fill(styles, name ?? this.#styles.value.style);
    await this.#loadMap(styles, null);
    this.#choose(this.#styles.value);
  }

  /** @param {string | null} name */
  async #reloadAvatars(name) {
    this.#avatars.fill(await fetchAvatars(), name ?? this.#avatars.value?.name ?? null);
    this.#chooseAvatar();
  }

  #chooseAvatar() {
    const avatar = this.#avatars.value;
    if (!avatar) return;
    savePreferences({ avatar: avatar.name });
    this.#files.offerRemoval("avatar", avatar);
    this.#styles.wear(avatar);
    this.#tell("avatar", avatar);
  }

  /** @param {string | null} name */
  async #reloadBackgrounds(name) {
    this.#backgrounds.fill(await fetchBackgrounds(), name ?? this.#backgrounds.value);
    this.#chooseBackground();
  }

  #chooseBackground() {
    const name = this.#backgrounds.value;
    savePreferences({ background: name });
    this.#files.offerRemoval("background", this.#backgrounds.chosen);
    this.#tell("background", { name });
  }

  #choosePresence() {
    const presence = this.#presence.value;
    savePreferences({ presence });
    this.#tell("presence", presence);
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
