/** Prediction, probabilities and explanations of a slice. */

import * as api from "./api.js";
import { className } from "./labels.js";
import { ownWindow, painted } from "./viewer.js";

const $ = (id) => document.getElementById(id);

/** Whether the second class is at least half as probable as the first. */
function close(likely) {
  const [first, second] = Object.values(likely).sort((one, other) => other - one);
  return 2 * second >= first;
}

const PLAIN = {
  colour_image: "This does not look like an MRI slice, so the model abstains.",
  several_slices: "This looks like several slices in one image, so the model abstains. Send each slice as its own file.",
  out_of_distribution: "This does not look like the head MRI slices of the training data, so the model abstains.",
  tumour_uncertain: "Neither tumour nor no tumour is certain enough, so the model abstains.",
  sequence_not_validated: "No tumour is seen, but the model was not validated on this sequence, so it abstains.",
  kind_uncertain: "A tumour is suspected, but no tumour type is certain enough.",
  kind_not_validated: "A tumour is suspected; its type is not given, because that was not validated on this sequence.",
};

const SUSPECTED = ["kind_uncertain", "kind_not_validated"];

/** Return the prediction of an item as text. */
export function verdictText(item) {
  if (item.error) return "Unreadable";
  if (SUSPECTED.includes(item.prediction.reason_code)) return "Tumour suspected";
  return item.prediction.label ? className(item.prediction.label) : "Abstains";
}

/** Return the reason of an abstention, or a note on a prediction. */
export function reasonText(item) {
  if (item.error) return item.error;
  const { abstained, reason, reason_code: code, probabilities } = item.prediction;
  const sequence = sequenceOf(item.prediction);
  if (!abstained) return `The most probable class. The model knows only the classes that it was trained on, so not, for example, metastases.${sequence}`;
  const unsure = close(probabilities) ? "Several classes have similar probabilities, so the model abstains." : "No class is probable enough, so the model abstains.";
  const plain = PLAIN[code] ?? unsure;
  return `${plain} Reason: ${reason}.${sequence}`;
}

/** Return the MRI sequence that the model recognises and, if it differs, the one in the header. */
function sequenceOf({ sequence, header_sequence: header }) {
  if (!sequence && !header) return "";
  const seen = sequence ? ` The image looks like ${sequence}` : " The model does not recognise the sequence";
  return header && header !== sequence ? `${seen}, but the header has ${header}.` : `${seen}.`;
}

export function bars(item, classes) {
  const list = $("bars");
  list.replaceChildren();
  if (!item?.prediction) return;
  classes.forEach((name, number) => {
    const p = item.prediction.probabilities[name];
    const box = document.createElement("div");
    box.className = "bar";
    const [term, value, track, fill] = ["dt", "dd", "dd", "div"].map((kind) => document.createElement(kind));
    term.textContent = className(name);
    value.textContent = p.toFixed(3);
    track.className = "track";
    track.setAttribute("aria-hidden", "true");
    fill.className = "fill";
    fill.style.width = `${100 * p}%`;
    fill.style.background = `var(--c${number % 4})`;
    track.append(fill);
    box.append(term, value, track);
    list.append(box);
  });
}

/** The heat maps of the current slice, and requests for more explanations. */
export class Maps {
  constructor(state, viewer) {
    Object.assign(this, { state, viewer, abort: null });
    $("map").addEventListener("change", () => this.show());
    $("opacity").addEventListener("input", () => { viewer.view.opacity = $("opacity").value / 100; viewer.paint(); });
    $("outline").addEventListener("change", () => { viewer.view.outline = $("outline").checked; viewer.draw(); });
    $("against").addEventListener("change", () => { viewer.view.against = $("against").checked; viewer.paint(); this.panel(); });
    for (const method of ["lime", "shap"]) $(method).addEventListener("click", () => this.ask(method));
    $("cancel").addEventListener("click", () => this.abort?.abort());
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
    $("outline").disabled = !outline.length; // only evidence has an outline
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
      canvas.setAttribute("aria-label", name === "the slice" ? name : `heat map of ${name} for ${className(map.class)}`);
      const view = { ...ownWindow(item.picture), opacity: 0.7, against: $("against").checked };
      canvas.getContext("2d").putImageData(painted(item.picture, map, view), 0, 0);
      caption.textContent = map ? `${name}, for ${className(map.class)}. ${map.trust}` : name;
      figure.append(canvas, caption);
      $("panel").append(figure);
    }
  }

  async ask(method) {
    const item = this.state.current;
    if (!item?.picture || this.abort) return;
    this.abort = new AbortController();
    this.working(true);
    this.state.report(`${method} is running …`);
    try {
      const fields = { method, frame: item.frame, only: item.path, plane: item.plane };
      const found = await api.explain(item.source, fields, (share) => { $("job-progress").value = share; }, this.abort.signal);
      if (found.errors.length) throw new api.Problem(422, found.errors[0].error, found.errors[0].code);
      const [one] = found.explained[0].explanations;
      item.maps[method] = { ...api.heat(one.heat), class: one.class, trust: one.trust };
      this.state.report(`${method} is done: ${one.samples} samples.`);
      if (item === this.state.current) {
        this.offer(item);
        $("map").value = method;
        this.show();
      }
    } catch (error) {
      this.state.report(error.code === "cancelled" ? `${method} was cancelled.` : `${method}: ${error.message}`);
    } finally {
      this.abort = null;
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
