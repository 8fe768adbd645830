/** The table of slices: sorting, filtering, saving. */

import { className } from "./labels.js";

export const verdictOf = (item) => {
  if (item.error) return "unreadable";
  return item.prediction.label ? className(item.prediction.label) : "abstains";
};

export const confidenceOf = (item) => (item.error ? -1 : Math.max(...Object.values(item.prediction.probabilities)));

export const nameOf = (item) => (item.frame === null ? item.path : `${item.path} #${item.frame}`);

const KEYS = {
  number: (item) => item.number,
  name: (item) => nameOf(item),
  verdict: (item) => verdictOf(item),
  sure: (item) => confidenceOf(item),
};

/** Return the items that match filter and search, sorted. */
export function shown(items, { filter, search, sort, down }) {
  const text = search.trim().toLowerCase();
  const left = items.filter((item) => {
    if (text && !nameOf(item).toLowerCase().includes(text)) return false;
    if (!filter) return true;
    if (filter === "error") return Boolean(item.error);
    if (item.error) return false;
    return filter === "abstained" ? item.prediction.abstained : item.prediction.label === filter;
  });
  const key = KEYS[sort];
  left.sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
    return order || one.number - other.number;
  });
  return down ? left.reverse() : left;
}

function cell(row, text, kind) {
  const made = row.insertCell();
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

/** Scroll a row into view within its box only. */
function inView(row, box) {
  const head = box.querySelector("thead").offsetHeight;
  if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
  const end = row.offsetTop + row.offsetHeight - box.clientHeight;
  if (end > box.scrollTop) box.scrollTop = end;
}

/** Fill the table's body; ``choose`` is called with an item. */
export function fill(body, items, current, choose) {
  const focused = body.contains(document.activeElement);
  body.replaceChildren();
  for (const item of items) {
    const row = body.insertRow();
    if (item === current) row.setAttribute("aria-current", "true");
    cell(row, item.number + 1, "number");
    const link = document.createElement("button");
    link.type = "button";
    link.textContent = nameOf(item).split("/").at(-1);
    link.title = nameOf(item);
    link.addEventListener("click", () => choose(item));
    row.insertCell().append(link);
    cell(row, verdictOf(item), "verdict");
    cell(row, item.error ? "" : confidenceOf(item).toFixed(2), "number");
    if (item === current) {
      inView(row, body.closest(".table"));
      if (focused) link.focus({ preventScroll: true });
    }
  }
}

const quoted = (value) => {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text; // so that a spreadsheet reads no formula
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

const FACTS = ["sequence", "header_sequence", "p_tumour", "validated"];

/** Return the table as CSV, with the columns of ``gadolin predict --csv`` and the errors. */
export function csv(items, classes) {
  const head = ["path", "frame", "label", "abstained", "reason_code", "reason", ...FACTS, "model", ...classes.map((name) => `p_${name}`), "code", "error"];
  const rows = items.map((item) => {
    const one = item.prediction;
    if (!one) return [item.path, item.frame, "", "", "", "", ...FACTS.map(() => ""), "", ...classes.map(() => ""), item.code, item.error];
    const probabilities = classes.map((name) => one.probabilities[name]);
    return [item.path, item.frame, one.label, one.abstained, one.reason_code, one.reason, ...FACTS.map((name) => one[name]), one.model, ...probabilities, "", ""];
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
