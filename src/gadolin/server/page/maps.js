/** The heat maps of the current slice: which one is shown, how, and all of them in a grid. */

import { isNamed, isSuspected, subjectOf, withoutLesion } from "./labels.js";
import { ownWindow, painted, RAMP } from "./paint.js";
import { trustText } from "./trust.js";

const $ = (id) => document.getElementById(id);

const CHECKS = { outline: "outline", against: "against", outside: "outside" };

export class Maps {
  constructor(state, viewer) {
    Object.assign(this, { state, viewer });
    $("map").addEventListener("change", () => this.show());
    $("where").addEventListener("change", () => this.offer());
    $("opacity").addEventListener("input", () => { viewer.view.opacity = $("opacity").value / 100; viewer.paint(); });
    for (const [id, field] of Object.entries(CHECKS)) {
      $(id).addEventListener("change", () => { viewer.view[field] = $(id).checked; viewer.paint(); this.around(); });
    }
    $("side").addEventListener("click", () => this.grid($("side").getAttribute("aria-pressed") !== "true"));
    $("ramp-against").style.background = `linear-gradient(to right, ${RAMP.against}, #000)`;
    $("ramp-for").style.background = `linear-gradient(to right, #000, ${RAMP.for})`;
  }

  /** Return the maps of the current slice by method; without a named class only where it is asked for. */
  get there() {
    const item = this.state.current;
    return item?.maps && (isNamed(item) || (this.askable && $("where").checked)) ? item.maps : {};
  }

  /** Whether the current slice may show where a tumour is suspected; evidence for no tumour would show nothing of it. */
  get askable() {
    const item = this.state.current;
    return isSuspected(item) && Boolean(item.maps) && !withoutLesion(item.maps.evidence.class);
  }

  /** Offer the maps of the current slice. */
  offer() {
    const names = Object.keys(this.there);
    const named = isNamed(this.state.current);
    $("maps").hidden = !names.length;
    $("where-box").hidden = !this.askable;
    $("save-picture").hidden = !this.state.current?.picture;
    $("maps-title").textContent = named ? "What speaks for it" : "Where it is suspected: evidence for the most probable kind, which is not named";
    for (const row of document.querySelectorAll(".explainer")) row.hidden = !named;
    const kept = $("map").value;
    $("map").replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(kept)) $("map").value = kept;
    this.show();
  }

  /** Show the map of a method. */
  pick(method) {
    $("map").value = method;
    this.show();
  }

  /** Return the map that is shown, or undefined. */
  get map() {
    return this.there[$("map").value];
  }

  show() {
    const item = this.state.current;
    const { map } = this;
    const outline = map?.outline ?? [];
    $("outline").disabled = !outline.length; // only evidence has an outline
    const { orientation, spacing_mm } = item?.prediction ?? {};
    this.viewer.show(item?.picture ?? null, map ?? null, outline, { orientation, spacing_mm });
    $("trust").textContent = map ? this.reliability($("map").value, map) : "";
    this.around();
  }

  /** Return how reliable a map is; hit rates are by class. */
  reliability(method, map) {
    return isNamed(this.state.current) ? trustText(this.state.model, method, map) : "No hit rate is given, because the kind is not named.";
  }

  /** Update what goes with the map: the legend and the grid. */
  around() {
    const { map, state: { current: item } } = this;
    const coloured = Boolean(map) && this.viewer.view.evidence;
    $("heat-legend").hidden = !coloured;
    $("evidence").checked = this.viewer.view.evidence;
    $("ramp-against").hidden = $("against-name").hidden = !this.viewer.view.against;
    $("against-name").textContent = map ? `against ${subjectOf(item, map)}` : "";
    $("for-name").textContent = map ? `for ${subjectOf(item, map)} (${$("map").value})` : "";
    this.fill();
  }

  grid(on) {
    $("side").setAttribute("aria-pressed", on);
    this.fill();
  }

  /** Fill the grid with the slice and its maps; a click on one enlarges it. */
  fill() {
    const on = $("side").getAttribute("aria-pressed") === "true" && Object.keys(this.there).length > 0;
    $("panel").hidden = !on;
    $("canvas").hidden = on;
    $("panel").replaceChildren(...(on ? [["the slice", null], ...Object.entries(this.there)].map(([name, map]) => this.cell(name, map)) : []));
  }

  cell(name, map) {
    const { picture } = this.state.current;
    const [canvas, caption, cell] = ["canvas", "span", "button"].map((kind) => document.createElement(kind));
    canvas.width = picture.width;
    canvas.height = picture.height;
    const [down, across] = picture.spacing_mm ?? [1, 1];
    canvas.style.aspectRatio = `${picture.width} / ${picture.height * (down / across)}`;
    canvas.setAttribute("aria-hidden", "true");
    const { centre, width, against, outside } = this.viewer.view;
    const view = { ...ownWindow(picture), ...(this.viewer.chosen ? { centre, width } : {}), against, outside, opacity: 0.7 };
    canvas.getContext("2d").putImageData(painted(picture, map, view), 0, 0);
    caption.textContent = map ? `${name}, for ${subjectOf(this.state.current, map)}` : name;
    cell.type = "button";
    cell.title = map ? `Enlarge. ${this.reliability(name, map)}` : "Enlarge";
    cell.append(canvas, caption);
    cell.addEventListener("click", () => {
      this.viewer.view.evidence = Boolean(map);
      this.grid(false);
      if (map) this.pick(name);
      else this.show();
      $("canvas").focus({ preventScroll: true });
    });
    return cell;
  }
}
