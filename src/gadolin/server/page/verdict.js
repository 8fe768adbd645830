/** The verdict on a slice in words, and its probabilities as bars. */

import { className, colourOf, DECLINED, isNamed, isSuspected, SUSPECTED, tumourOf, verdictName, verdictOf } from "./labels.js";

const $ = (id) => document.getElementById(id);

/** Whether the second class is at least half as probable as the first. */
function close(likely) {
  const [first, second] = Object.values(likely).sort((one, other) => other - one);
  return 2 * second >= first;
}

const PLAIN = {
  colour_image: "This does not look like an MRI slice, so it is declined.",
  several_slices: "This looks like several slices in one image, so it is declined. Send each slice as its own file.",
  out_of_distribution: "This does not look like the head MRI slices of the training data, so it is declined.",
  tumour_uncertain: "Neither tumour nor no tumour is certain enough, so it is declined.",
  sequence_not_validated: "No tumour is seen, but the model was not validated on this sequence, so it is declined.",
};

/** Return the verdict on an item as a heading. */
export function verdictText(item) {
  const name = verdictName(verdictOf(item));
  return name[0].toUpperCase() + name.slice(1);
}

const ONLY = "It knows only these classes; a metastasis, an abscess or a bleed gets one of these names too, or is declined.";

/** Return that a tumour is suspected and why its kind is declined, without what the reason of the service repeats. */
function suspicion(item) {
  const p = tumourOf(item) === null ? "" : ` (probability ${tumourOf(item).toFixed(2)})`;
  const why = item.prediction.reason.replace(/^tumour suspected[^;]*; /, "").replace(/^its kind /, "it ");
  return `A tumour is suspected${p}. Its kind is not named: ${why}.`;
}

/** Return why an item is declined, or what a verdict means. */
export function reasonText(item) {
  if (item.error) return item.error;
  const { reason, reason_code: code, probabilities } = item.prediction;
  const parts = [];
  if (isSuspected(item)) parts.push(suspicion(item));
  else if (!isNamed(item)) {
    const unsure = close(probabilities) ? "Several classes have similar probabilities, so it is declined." : "No class is probable enough, so it is declined.";
    parts.push(`${PLAIN[code] ?? unsure} Reason: ${reason}.`);
  } else {
    parts.push("The model's most probable class.", ONLY);
  }
  return [...parts, sequenceOf(item.prediction)].filter(Boolean).join(" ");
}

/** Return the MRI sequence that the model recognises and, if it differs, the one in the header. */
function sequenceOf({ sequence, header_sequence: header }) {
  if (!sequence && !header) return "";
  const seen = sequence ? `The image looks like ${sequence}` : "The model does not recognise the sequence";
  return header && header !== sequence ? `${seen}, but the header has ${header}.` : `${seen}.`;
}

/** Fill the bars; they are grey unless a class is predicted or a tumour suspected, and that of each class has a tick at the confidence threshold. */
export function bars(item, classes, threshold) {
  const there = Boolean(item?.prediction);
  $("tick-note").hidden = !there || !threshold;
  const own = tumourOf(item) !== null ? "; tumour or no tumour has a threshold of its own" : "";
  $("tick-note").textContent = threshold ? `Tick: the confidence threshold of a class, ${threshold.toFixed(2)}${own}.` : "";
  $("bars").replaceChildren(...(there ? lines(item, classes, threshold) : []));
}

/** Return the bar of a tumour of any kind, where the model gives it, and those of the classes. */
function lines(item, classes, threshold) {
  const named = isNamed(item);
  const whole = named || isSuspected(item) ? SUSPECTED : DECLINED;
  const tumour = tumourOf(item) === null ? [] : [bar("tumour", tumourOf(item), colourOf(whole, classes), null)];
  const each = classes.map((name) =>
    bar(className(name), item.prediction.probabilities[name], colourOf(named ? name : DECLINED, classes), threshold));
  return [...tumour, ...each];
}

function bar(name, p, colour, threshold) {
  const box = document.createElement("div");
  box.className = "bar";
  const [term, value, track, fill] = ["dt", "dd", "dd", "div"].map((kind) => document.createElement(kind));
  term.textContent = name;
  value.textContent = p.toFixed(3);
  track.className = "track";
  track.setAttribute("aria-hidden", "true");
  fill.className = "fill";
  fill.style.width = `${100 * p}%`;
  fill.style.background = colour;
  track.append(fill);
  if (threshold) {
    const tick = document.createElement("div");
    tick.className = "tick";
    tick.style.left = `${100 * threshold}%`;
    track.append(tick);
  }
  box.append(term, value, track);
  return box;
}
