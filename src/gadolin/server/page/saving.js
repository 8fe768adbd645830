/** Files to save: CSV, and a slice with its overlay as PNG. */

import { nameOf } from "./batch.js";
import { className, subjectOf, tumourOf } from "./labels.js";
import { RAMP } from "./paint.js";
import { verdictText } from "./verdict.js";

const quoted = (value) => {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text; // so that a spreadsheet reads no formula
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** Columns between the verdict and the model, as ``gadolin predict --csv`` has them. */
const FACTS = {
  sequence: (one) => one.sequence,
  header_sequence: (one) => one.header_sequence,
  p_tumour: (one) => one.p_tumour,
  validated: (one) => one.validated,
  series: (one) => one.series?.key,
  position_mm: (one) => one.series?.position_mm,
  orientation: (one) => one.orientation,
};

/** Return the table as CSV, with the columns of ``gadolin predict --csv`` and the errors. */
export function csv(items, classes) {
  const head = ["path", "frame", "label", "abstained", "reason_code", "reason", ...Object.keys(FACTS), "model", ...classes.map((name) => `p_${name}`), "code", "error"];
  const facts = Object.values(FACTS);
  const rows = items.map((item) => {
    const one = item.prediction;
    if (!one) return [item.path, item.frame, "", "", "", "", ...facts.map(() => ""), "", ...classes.map(() => ""), item.code, item.error];
    const probabilities = classes.map((name) => one.probabilities[name]);
    return [item.path, item.frame, one.label, one.abstained, one.reason_code, one.reason, ...facts.map((of) => of(one)), one.model, ...probabilities, "", ""];
  });
  return [head, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

export function save(content, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const WIDE = 800; // pixels of a saved picture
const LINE = 24;

/** Save the slice as it is shown, with legend, verdict and notice, as PNG. */
export async function picture(viewer, item, { classes, method, model, notice }) {
  const shown = viewer.picture;
  const [down, across] = shown.spacing_mm ?? [1, 1];
  const slice = document.createElement("canvas");
  slice.width = WIDE;
  slice.height = Math.round((WIDE * shown.height * (down / across)) / shown.width);
  viewer.onto(slice, { ...viewer.view, zoom: 1, x: 0, y: 0 }, 1.4);
  const { probabilities, reason } = item.prediction;
  const map = viewer.view.evidence ? viewer.heat : null;
  const tumour = tumourOf(item) === null ? [] : [`tumour ${tumourOf(item).toFixed(2)}`];
  const all = [...tumour, ...classes.map((name) => `${className(name)} ${probabilities[name].toFixed(2)}`)];
  const lines = [
    `${verdictText(item)} (${all.join(", ")})`,
    ...(reason ? [`Reason: ${reason}`] : []),
    map ? `Colour: ${method} for ${subjectOf(item, map)}${item.prediction.label ? "" : ", which is not named"}` : "Without a heat map",
    `${nameOf(item).split("/").pop()}, model ${model}`,
    notice,
  ];
  const canvas = document.createElement("canvas");
  canvas.width = WIDE;
  canvas.height = slice.height + LINE * (lines.length + 1);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, WIDE, slice.height);
  pen.drawImage(slice, 0, 0);
  pen.fillStyle = "#14262b";
  lines.forEach((line, number) => {
    pen.font = `${number === 0 || line === notice ? "600 " : ""}16px system-ui, sans-serif`;
    pen.fillText(line, 12, slice.height + LINE * (number + 1), WIDE - 24);
  });
  if (map) ramp(pen, WIDE - 252, slice.height + LINE * (reason ? 3 : 2) - 14, viewer.view.against);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  save(blob, "image/png", `${nameOf(item).split("/").pop().replace(/[^\w.-]+/g, "-")}-gadolin.png`);
}

/** Draw the legend of the heat. */
function ramp(pen, x, y, against) {
  const colours = pen.createLinearGradient(x + 50, 0, x + 190, 0);
  const stops = against ? [RAMP.against, "#000", RAMP.for] : ["#000", RAMP.for];
  stops.forEach((colour, place) => colours.addColorStop(place / (stops.length - 1), colour));
  pen.font = "14px system-ui, sans-serif";
  pen.fillText(against ? "against" : "weak", x, y + 12);
  pen.fillText(against ? "for" : "strong", x + 196, y + 12);
  pen.fillStyle = colours;
  pen.fillRect(x + 50, y, 140, 14);
  pen.fillStyle = "#14262b";
}
