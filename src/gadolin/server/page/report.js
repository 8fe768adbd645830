/** A self-contained report: prediction and picture with evidence of each slice. */

import { nameOf } from "./batch.js";
import { className, isNamed, tumourOf, verdictName, verdictOf } from "./labels.js";
import { grouped, seriesAmong, seriesOf } from "./order.js";
import { outlined, ownWindow, painted } from "./paint.js";
import { accuracies, trustText } from "./trust.js";

const SIDE = 150;
export const MOST_PICTURES = 300;

const escaped = (text) =>
  String(text ?? "").replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Return a slice as the data URL of a JPEG, with its evidence if a class is predicted, and the reliability of that map. */
export function illustrated(item, { picture, maps }, model) {
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
  return { image: canvas.toDataURL("image/jpeg", 0.85), trust: map ? trustText(model, "evidence", map) : "" };
}

const STYLE = `
body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#14262b}table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #c9d3d5;padding:.3rem .5rem;text-align:left;vertical-align:top}tr{break-inside:avoid}
img{display:block;background:#000}thead{display:table-header-group}
.notice{background:#fff3e4;color:#8a3b00;padding:.6rem .8rem;font-weight:600}`;

const cellsOf = (cells) => cells.map((cell) => `<td>${cell}</td>`).join("");

function row(item, { classes, number, drawn }) {
  const { prediction } = item;
  const all = [tumourOf(item), ...classes.map((name) => prediction?.probabilities[name])].map((p) => p?.toFixed(3));
  const image = drawn ? `<img alt="${escaped(nameOf(item))}" src="${drawn.image}">` : "";
  const note = item.error ?? prediction.reason ?? drawn?.trust;
  const facts = [nameOf(item), verdictName(verdictOf(item)), ...all, prediction?.sequence, note];
  return `<tr>${cellsOf([number, image, ...facts.map(escaped)])}</tr>`;
}

/** Return the rows of each series under its name, numbered from its first slice; ``everything`` has all slices in order. */
function bodies(items, everything, { classes, pictures }) {
  const titles = new Map(seriesAmong(everything));
  const places = grouped(everything, seriesOf);
  return [...grouped(items, seriesOf)].map(([key, group]) => {
    const title = key ? `Series ${titles.get(key)}` : titles.size ? "Slices of no series" : "";
    const head = title ? `<tr><th colspan="${classes.length + 7}" scope="rowgroup">${escaped(title)}</th></tr>` : "";
    const rows = group.map((item) => row(item, { classes, number: places.get(key).indexOf(item) + 1, drawn: pictures.get(item) }));
    return `<tbody>${head}${rows.join("")}</tbody>`;
  }).join("");
}

/** Return the page; ``everything`` has the slices that are not listed, too, and ``pictures`` the drawn slices by item. */
export function report(items, everything, { classes, model, pictures }) {
  const head = ["#", "image", "slice", "class", "tumour", ...classes.map(className), "sequence", "reason, or reliability of the map"];
  const left = items.filter((item) => item.prediction).length - pictures.size;
  const few = left > 0 ? ` ${left} slices are listed without an image.` : "";
  const notice = `<p class="notice">${escaped(model.notice)}</p>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Gadolin: report</title><style>${STYLE}</style>
<h1>Gadolin: predictions for ${items.length} slices</h1>${notice}
<p>Model ${escaped(model.model)}, ${escaped(new Date().toISOString().slice(0, 16).replace("T", " "))} UTC. ${escaped(accuracies(model.metrics).join(" "))}</p>
<p>Probabilities are calibrated on slices like the training data; "tumour" is that of a tumour of any kind. A series has no
prediction of its own, because that was never validated. Each image shows the evidence for the class, if one is predicted, with its outline.${few}</p>
<table><thead><tr>${head.map((name) => `<th>${escaped(name)}</th>`).join("")}</tr></thead>
${bodies(items, everything, { classes, pictures })}</table>${notice}</html>`;
}
