/** The verdict, the probabilities, and the maps of what speaks for it. */

import * as api from "./api.js";
import { ownWindow, painted } from "./viewer.js";

const $ = (id) => document.getElementById(id);

/** Whether the second class is at least half as probable as the first. */
function close(likely) {
  const [first, second] = Object.values(likely).sort((one, other) => other - one);
  return 2 * second >= first;
}

const PLAIN = {
  colour_image: "This does not look like an MRI slice, so no class is named.",
  several_slices: "This looks like several slices in one picture, so no class is named: send each by itself.",
  out_of_distribution: "This does not look like the head MRI slices that the model knows, so no class is named.",
  tumour_uncertain: "Neither a tumour nor its absence is sure enough, so neither is stated.",
  sequence_not_validated: "No tumour is seen, but the model was not validated on this sequence, so no class is named.",
  kind_uncertain: "A tumour is suspected, but no kind is sure enough, so none is named.",
  kind_not_validated: "A tumour is suspected; its kind is not named, for that was not validated on this sequence.",
};

const SUSPECTED = ["kind_uncertain", "kind_not_validated"];

/** Say in words what an item's answer is. */
export function words(item) {
  if (item.error) return "Not read";
  if (SUSPECTED.includes(item.prediction.reason_code)) return "Tumour suspected";
  return item.prediction.label ?? "No class is named";
}

export function why(item) {
  if (item.error) return item.error;
  const { abstained, reason, reason_code: code, probabilities } = item.prediction;
  const sequence = sequenceOf(item.prediction);
  if (!abstained) return `The most probable class. What the model was not trained on it does not know, a metastasis for one.${sequence}`;
  const unsure = close(probabilities) ? "Two classes or more are close, so none is named." : "No class is sure enough, so none is named.";
  const plain = PLAIN[code] ?? unsure;
  return `${plain} The reason: ${reason}.${sequence}`;
}

/** The MRI sequence in words: as the picture looks, and where the header says otherwise, what it says. */
function sequenceOf({ sequence, header_sequence: header }) {
  if (!sequence && !header) return "";
  const seen = sequence ? ` The picture looks like ${sequence}` : " The model does not recognise the sequence";
  return header && header !== sequence ? `${seen}, but the header says ${header}.` : `${seen}.`;
}

export function bars(item, classes) {
  const list = $("bars");
  list.replaceChildren();
  if (!item?.prediction) return;
  classes.forEach((name, number) => {
    const value = item.prediction.probabilities[name];
    const box = document.createElement("div");
    box.className = "bar";
    const [term, told, track, fill] = ["dt", "dd", "dd", "div"].map((kind) => document.createElement(kind));
    term.textContent = name;
    told.textContent = value.toFixed(3);
    track.className = "track";
    track.setAttribute("aria-hidden", "true");
    fill.className = "fill";
    fill.style.width = `${100 * value}%`;
    fill.style.background = `var(--c${number % 4})`;
    track.append(fill);
    box.append(term, told, track);
    list.append(box);
  });
}

/** The maps of the slice that is shown, and the explanations that are asked for. */
export class Maps {
  constructor(state, viewer) {
    Object.assign(this, { state, viewer, giveUp: null });
    $("map").addEventListener("change", () => this.show());
    $("opacity").addEventListener("input", () => { viewer.view.opacity = $("opacity").value / 100; viewer.paint(); });
    $("outline").addEventListener("change", () => { viewer.view.outline = $("outline").checked; viewer.draw(); });
    $("against").addEventListener("change", () => { viewer.view.against = $("against").checked; viewer.paint(); this.panel(); });
    for (const method of ["lime", "shap"]) $(method).addEventListener("click", () => this.ask(method));
    $("cancel").addEventListener("click", () => this.giveUp?.abort());
    $("side").addEventListener("click", () => {
      const on = $("side").getAttribute("aria-pressed") !== "true";
      $("side").setAttribute("aria-pressed", on);
      this.panel();
    });
  }

  /** Offer the maps of an item. */
  offer(item) {
    const there = item?.maps ? Object.keys(item.maps) : [];
    $("maps").hidden = !there.length;
    const kept = $("map").value;
    $("map").replaceChildren(...there.map((name) => new Option(name, name)));
    if (there.includes(kept)) $("map").value = kept;
    this.show();
  }

  show() {
    const item = this.state.current;
    const map = item?.maps?.[$("map").value];
    const outline = map?.outline ?? [];
    $("outline").disabled = !outline.length; // only evidence implies one
    this.viewer.show(item?.picture ?? null, map ?? null, outline);
    $("trust").textContent = map ? map.trust : "";
    this.panel();
  }

  panel() {
    const item = this.state.current;
    const on = $("side").getAttribute("aria-pressed") === "true" && item?.maps;
    $("panel").hidden = !on;
    $("panel").replaceChildren();
    if (!on) return;
    for (const [name, map] of [["the slice", null], ...Object.entries(item.maps)]) {
      const figure = document.createElement("figure");
      const canvas = document.createElement("canvas");
      const caption = document.createElement("figcaption");
      canvas.width = item.picture.width;
      canvas.height = item.picture.height;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", name === "the slice" ? name : `what ${name} says speaks for ${map.class}`);
      const view = { ...ownWindow(item.picture), opacity: 0.7, against: $("against").checked };
      canvas.getContext("2d").putImageData(painted(item.picture, map, view), 0, 0);
      caption.textContent = map ? `${name}, for ${map.class}. ${map.trust}` : name;
      figure.append(canvas, caption);
      $("panel").append(figure);
    }
  }

  async ask(method) {
    const item = this.state.current;
    if (!item?.picture || this.giveUp) return;
    this.giveUp = new AbortController();
    this.working(true);
    this.state.say(`${method} asks the model about this slice many times …`);
    try {
      const fields = { method, frame: item.frame, only: item.path, plane: item.plane };
      const told = await api.explain(item.source, fields, (share) => { $("job-progress").value = share; }, this.giveUp.signal);
      if (told.errors.length) throw new api.Problem(422, told.errors[0].error, told.errors[0].code);
      const [one] = told.explained[0].explanations;
      item.maps[method] = { ...api.heat(one.heat), class: one.class, trust: one.trust };
      this.state.say(`${method} is done: ${one.samples} questions.`);
      if (item === this.state.current) {
        this.offer(item);
        $("map").value = method;
        this.show();
      }
    } catch (error) {
      this.state.say(error.code === "cancelled" ? `${method} was cancelled.` : `${method}: ${error.message}`);
    } finally {
      this.giveUp = null;
      this.working(false);
    }
  }

  working(on) {
    $("job").hidden = !on;
    $("job-progress").value = 0;
    for (const method of ["lime", "shap"]) $(method).disabled = on;
    if (on) $("cancel").focus();
  }
}
