/** A self-contained report: prediction and picture with evidence of each slice. */

import { nameOf } from "./batch.js";
import { className, isNamed, verdictName, verdictOf } from "./labels.js";
import { outlined, ownWindow, painted } from "./paint.js";

const SIDE = 150;
export const MOST_PICTURES = 300;

const escaped = (text) =>
  String(text ?? "").replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Return a slice as the data URL of a JPEG, with its evidence if a class is named. */
export function illustrated(item, { picture, maps }) {
  const map = isNamed(item) ? maps.evidence : null;
  const still = document.createElement("canvas");
  [still.width, still.height] = [picture.width, picture.height];
  const view = { ...ownWindow(picture), opacity: 0.45, against: false };
  still.getContext("2d").putImageData(painted(picture, map, view), 0, 0);
  const [down, across] = picture.spacing_mm ?? [1, 1];
  const tall = down / across;
  const fit = SIDE / Math.max(picture.width, picture.height * tall);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * fit));
  canvas.height = Math.max(1, Math.round(picture.height * tall * fit));
  const pen = canvas.getContext("2d");
  pen.setTransform(fit, 0, 0, fit * tall, 0, 0);
  pen.drawImage(still, 0, 0);
  if (map) outlined(pen, picture, map.outline, 1.2 / fit, view);
  return canvas.toDataURL("image/jpeg", 0.85);
}

const STYLE = `
body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#14262b}table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #c9d3d5;padding:.3rem .5rem;text-align:left;vertical-align:top}tr{break-inside:avoid}
img{display:block;background:#000}thead{display:table-header-group}
.notice{background:#fff3e4;color:#8a3b00;padding:.6rem .8rem;font-weight:600}`;

function row(item, classes, picture) {
  const probabilities = classes.map((name) => (item.prediction ? item.prediction.probabilities[name].toFixed(3) : ""));
  const reason = item.error ?? item.prediction.reason ?? "";
  const image = picture ? `<img alt="${escaped(nameOf(item))}" src="${picture}">` : "";
  const cells = [item.number + 1, nameOf(item), verdictName(verdictOf(item)), ...probabilities, reason].map((value) => escaped(value));
  cells.splice(1, 0, image);
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

/** Return the page; ``pictures`` maps items to the data URLs of their pictures. */
export function report(items, { classes, model, notice, pictures }) {
  const head = ["#", "image", "slice", "class", ...classes.map(className), "reason"];
  const left = items.filter((item) => item.prediction).length - pictures.size;
  const few = left > 0 ? ` ${left} slices are listed without an image.` : "";
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Gadolin: report</title><style>${STYLE}</style>
<h1>Gadolin: predictions for ${items.length} slices</h1><p class="notice">${escaped(notice)}</p>
<p>Model ${escaped(model)}, ${escaped(new Date().toISOString().slice(0, 16).replace("T", " "))} UTC. Probabilities are calibrated on slices
like the training data. A series has no prediction of its own, because that was never validated. Each image shows the evidence for the
class, if one is named, with its outline.${few}</p>
<table><thead><tr>${head.map((name) => `<th>${escaped(name)}</th>`).join("")}</tr></thead>
<tbody>${items.map((item) => row(item, classes, pictures.get(item))).join("")}</tbody></table><p class="notice">${escaped(notice)}</p></html>`;
}
