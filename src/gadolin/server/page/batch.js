/** The slices of the list: names, filtering, sorting, and the summary that filters. */

import { className, colourOf, DECLINED, isSuspected, SUSPECTED, tumourOf, UNREADABLE, verdictName, verdictOf } from "./labels.js";
import { byPath, grouped, seriesOf } from "./order.js";

/** Return the probability of what an item is listed as: a tumour of any kind where one is suspected, else the first class. */
export function confidenceOf(item) {
  if (item.error) return -1;
  return (isSuspected(item) ? tumourOf(item) : null) ?? Math.max(...Object.values(item.prediction.probabilities));
}

export const nameOf = (item) => (item.frame === null ? item.path : `${item.path} #${item.frame}`);

const KEYS = {
  number: (one, other) => one.number - other.number,
  name: (one, other) => byPath(nameOf(one), nameOf(other)),
  verdict: (one, other) => verdictName(verdictOf(one)).localeCompare(verdictName(verdictOf(other))),
  sure: (one, other) => confidenceOf(one) - confidenceOf(other),
};

/** Return the items of the chosen series that match filter and search, sorted. */
export function shown(items, { filter, search, series, sort, down }) {
  const text = search.trim().toLowerCase();
  const left = items.filter(
    (item) => (!series || seriesOf(item) === series) && (!filter || verdictOf(item) === filter) && (!text || nameOf(item).toLowerCase().includes(text)),
  );
  left.sort((one, other) => KEYS[sort](one, other) || one.number - other.number);
  return down ? left.reverse() : left;
}

/** Fill the summary with a button per verdict, such as "3 glioma"; ``choose`` is called with a verdict or "". */
export function summary(list, items, classes, chosen, choose) {
  const counts = grouped(items, verdictOf);
  const present = [...classes, SUSPECTED, DECLINED, UNREADABLE].filter((verdict) => counts.has(verdict));
  const lines = [["", `all ${items.length}`], ...present.map((verdict) => [verdict, `${counts.get(verdict).length} ${verdictName(verdict)}`])];
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.verdict : null;
  list.replaceChildren(...lines.map(([verdict, text]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.verdict = verdict;
    button.setAttribute("aria-pressed", verdict === chosen);
    if (verdict) button.append(dot(verdict, classes));
    button.append(text);
    button.addEventListener("click", () => choose(verdict === chosen ? "" : verdict));
    const line = document.createElement("li");
    line.append(button);
    return line;
  }));
  if (focused !== null) [...list.querySelectorAll("button")].find((one) => one.dataset.verdict === focused)?.focus();
}

/** Return a dot in the colour of a verdict. */
export function dot(verdict, classes) {
  const made = document.createElement("span");
  made.className = "dot";
  made.style.background = colourOf(verdict, classes);
  return made;
}

export const classesText = (classes) => classes.map(className).join(", ");
