/** The page: files in, predictions out. All data stays in this tab and in the memory of the service. */

import * as api from "./api.js";
import * as batch from "./batch.js";
import { controls, listenToControls } from "./controls.js";
import { chosen, dropped, groups, Taken } from "./drops.js";
import { Explainers } from "./explainers.js";
import { className, isNamed, isSuspected, verdictOf } from "./labels.js";
import { List } from "./list.js";
import { Maps } from "./maps.js";
import { ordered, seriesAmong, seriesOf } from "./order.js";
import { every, Pictures } from "./pictures.js";
import { answered, omission } from "./reading.js";
import { illustrated, MOST_PICTURES, report } from "./report.js";
import { csv, picture, save } from "./saving.js";
import { Strip } from "./strip.js";
import { accuracies, card } from "./trust.js";
import { bars, reasonText, verdictText } from "./verdict.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);

const state = {
  items: [],
  current: null,
  classes: [],
  model: null,
  examples: [],
  taken: new Taken(),
  tried: 0, // number of single phantoms so far
  stacks: 0, // number of phantom series so far
  seed: 1000, // of the next phantom after the examples
  cleared: 0, // number of times that the list was cleared; results of earlier requests are discarded
  table: { filter: "", search: "", series: "", sort: "number", down: false },
  report(text) { $("status").textContent = text; },
};

const colours = () => {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { classes: ["c0", "c1", "c2", "c3"].map(of), suspected: of("suspected"), declined: of("declined"), ink: of("ink") };
};

const viewer = new Viewer($("canvas"), () => controls(viewer), step);
const maps = new Maps(state, viewer);
const strip = new Strip($("strip"), $("legend"), colours, choose);
const list = new List($("table"), choose);
const pictures = new Pictures();
const explainers = new Explainers(state, (item, method) => {
  if (item !== state.current) return;
  maps.offer();
  maps.pick(method);
});

const inOrder = () => batch.shown(state.items, state.table);

/** Update what depends on the list of slices or on the current one. */
function listed() {
  const { items, current, classes, table } = state;
  const several = items.length > 0;
  const order = inOrder();
  $("batch").hidden = !several;
  document.body.classList.toggle("empty", !several);
  batch.summary($("summary"), items.filter((item) => !table.series || seriesOf(item) === table.series), classes, table.filter, (verdict) => filtered({ filter: verdict }));
  list.show(order, current, classes);
  for (const button of document.querySelectorAll("[data-sort]")) {
    const sorted = button.dataset.sort === table.sort ? (table.down ? "descending" : "ascending") : "none";
    button.parentElement.setAttribute("aria-sort", sorted);
  }
  const place = order.indexOf(current);
  $("place").textContent = place < 0 ? "" : `${place + 1} of ${order.length}`;
  $("previous").disabled = place <= 0;
  $("next").disabled = place < 0 || place === order.length - 1;
  const series = current ? seriesOf(current) : "";
  const together = series ? items.filter((item) => seriesOf(item) === series) : [];
  $("strip-box").hidden = together.length < 2;
  document.body.classList.toggle("in-series", together.length > 1);
  strip.show(together, current, classes);
}

/** Offer the series; if all slices belong to one, its title is the only choice. */
function offerSeries() {
  const found = seriesAmong(state.items);
  const one = found.length === 1 && state.items.every(seriesOf);
  const choices = one ? [["", found[0][1]]] : [["", `all · ${state.items.length} slices`], ...found];
  $("series").replaceChildren(...choices.map(([key, title]) => new Option(title, key)));
  if (!found.some(([key]) => key === state.table.series)) state.table.series = "";
  $("series").value = state.table.series;
  $("series-box").hidden = !found.length;
}

function filtered(change) {
  Object.assign(state.table, change);
  const order = inOrder();
  if (order.length && !order.includes(state.current)) choose(order[0]);
  else listed();
}

function described(item) {
  $("viewer-title").textContent = item ? batch.nameOf(item) : "No slice yet";
  $("verdict").textContent = item ? verdictText(item) : "Prediction";
  $("verdict").dataset.verdict = item ? verdictOf(item) : "";
  $("reason").textContent = item ? [reasonText(item), noteOn(item)].filter(Boolean).join(" ") : "Choose a slice, or try a phantom.";
  $("reason").classList.toggle("declined", Boolean(item && (item.error || item.prediction.abstained)));
  bars(item, state.classes, state.model?.confidence_threshold);
  const label = item?.prediction
    ? `${batch.nameOf(item)}: ${verdictText(item)}; ${state.classes.map((name) => `${className(name)} ${item.prediction.probabilities[name].toFixed(2)}`).join(", ")}`
    : "No slice is shown";
  $("canvas").setAttribute("aria-label", label);
}

/** Return why a phantom is shown; another model may decide otherwise than the packaged one, or for another reason. */
function noteOn({ source: { example }, prediction }) {
  if (!example || !prediction) return "";
  const expected = example.declined ? prediction.reason_code === "out_of_distribution" : prediction.label === example.label;
  return expected ? example.why : "";
}

/** Show an item; its picture and evidence are fetched when it is first shown. */
async function choose(item) {
  state.current = item;
  described(item);
  listed();
  explainers.expect();
  if (!item || item.error || item.picture) {
    loading(false);
    maps.offer();
    return;
  }
  loading(true);
  await new Promise((resolve) => setTimeout(resolve, PAUSE)); // fast scrolling does not request every slice
  if (state.current !== item || item.picture) return;
  try {
    await pictures.show(item, () => state.current);
  } catch (error) {
    state.report(error.message);
  }
  if (state.current !== item) return;
  loading(false);
  maps.offer();
  explainers.expect();
  list.fill();
}

/** Dim the previous slice and hide what is said on its map while the next one loads, because the text already describes the next one; it is not saved. */
function loading(on) {
  $("save-picture").disabled = on;
  for (const id of ["stage", "maps"]) $(id).classList.toggle("loading", on);
  if (on && !isNamed(state.current)) $("maps").hidden = true;
  if (on && !isSuspected(state.current)) $("where-box").hidden = true;
  $("stage").setAttribute("aria-busy", on);
}

const PAUSE = 90; // milliseconds

const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

async function add(files) {
  const [turn, plane] = [state.cleared, $("plane").value];
  const { added, known } = await state.taken.fresh(files, plane);
  const again = known ? `${counted(known, "file")} ${known === 1 ? "was" : "were"} there already` : "";
  if (!added.length) { state.report(again ? `${again}.` : "No file was found."); return; }
  $("reading").hidden = false;
  Object.assign(state.table, { filter: "", search: "", series: "" });
  $("search").value = "";
  const [items, omitted] = [[], []];
  for (const group of groups(added)) {
    const done = items.length;
    state.report(`Reading from ${added[0].name}: ${counted(done, "slice")} so far …`);
    const answer = await answered(group, plane);
    if (turn !== state.cleared) return;
    const found = answer.items.map((item) => ({ picture: null, maps: null, thumb: null, ...item }));
    omitted.push(...answer.omitted);
    items.push(...found);
    found.forEach((item) => state.items.push(item));
    $("reading").value = (added.indexOf(group[group.length - 1]) + 1) / added.length;
    state.items.forEach((item, number) => { item.number = number; });
    if (!state.current && state.items.length) choose(state.items[0]);
    else listed();
  }
  $("reading").hidden = true;
  state.items = ordered(state.items);
  state.items.forEach((item, number) => { item.number = number; });
  offerSeries();
  const errors = items.filter((item) => item.error).length;
  const parts = [`${counted(items.length - errors, "slice")} predicted`, errors ? `${errors} unreadable` : "", omission(omitted), again];
  state.report(`${parts.filter(Boolean).join(", ")}.`);
  choose(inOrder().find((item) => items.includes(item)) ?? state.current);
  if (document.activeElement !== $("search")) $("canvas").focus({ preventScroll: true });
}

/** Read a phantom or a series of them; the first single phantoms and the first series are the examples of the service. */
async function phantom(series) {
  const place = series ? state.stacks : state.tried;
  const example = series && place ? null : state.examples[place];
  if (series) state.stacks += 1;
  else state.tried += 1;
  if (!example) state.seed += 1;
  const seed = example?.seed ?? state.seed;
  const label = example?.label ?? state.model.phantoms[seed % state.model.phantoms.length];
  try {
    const blob = await api.phantom(label, seed, series);
    const name = `phantom-${label}-${seed}-${series ? "series.zip" : "slice.png"}`;
    await add([{ file: blob, name, example: series ? null : example }]);
  } catch (error) {
    state.report(error.message);
  }
}

function step(by) {
  const order = inOrder();
  const place = order.indexOf(state.current) + by;
  if (order[place]) choose(order[place]);
}

function clear() {
  Object.assign(state, { items: [], current: null, cleared: state.cleared + 1, tried: 0, stacks: 0 });
  state.taken.clear();
  explainers.stop();
  pictures.forget();
  Object.assign(state.table, { filter: "", search: "", series: "" });
  $("search").value = "";
  $("where").checked = false;
  $("reading").hidden = true;
  offerSeries();
  described(null);
  listed();
  loading(false);
  maps.offer();
  state.report("Cleared.");
}

/** Save a report of the slices that the list shows, with their pictures. */
async function reported() {
  const items = inOrder();
  const drawn = items.filter((item) => item.prediction).slice(0, MOST_PICTURES);
  const [turn, found] = [state.cleared, new Map()];
  $("report").disabled = true;
  $("reading").hidden = false;
  try {
    await every(drawn, (item, seen) => {
      found.set(item, illustrated(item, seen, state.model));
      $("reading").value = found.size / drawn.length;
      state.report(`Drawing picture ${found.size} of ${drawn.length} for the report …`);
      return turn === state.cleared;
    });
    if (turn !== state.cleared) return;
    const { classes, model } = state;
    save(report(items, state.items, { classes, model, pictures: found }), "text/html", "gadolin-report.html");
    state.report(`Saved the report of ${counted(items.length, "slice")}.`);
  } catch (error) {
    state.report(`The report failed: ${error.message}`);
  } finally {
    $("report").disabled = false;
    $("reading").hidden = true;
  }
}

function listenToFiles() {
  $("choose").addEventListener("click", () => $("file-input").click());
  $("choose-folder").addEventListener("click", () => $("folder-input").click());
  for (const id of ["file-input", "folder-input"]) {
    $(id).addEventListener("change", async () => { await add(chosen($(id))); $(id).value = ""; });
  }
  $("phantom").addEventListener("click", () => phantom(0));
  $("phantom-series").addEventListener("click", () => phantom(12));
  $("more").addEventListener("click", () => {
    $("more").setAttribute("aria-expanded", $("drop").classList.toggle("more"));
  });
  window.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
  window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    await add(await dropped(event.dataTransfer));
  });
}

function listenToList() {
  $("search").addEventListener("input", () => filtered({ search: $("search").value }));
  $("series").addEventListener("change", () => filtered({ series: $("series").value, filter: "" }));
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      const same = state.table.sort === button.dataset.sort;
      filtered({ sort: button.dataset.sort, down: same && !state.table.down });
    });
  }
  $("csv").addEventListener("click", () => save(csv(inOrder(), state.classes), "text/csv", "gadolin.csv"));
  $("report").addEventListener("click", reported);
  $("print").addEventListener("click", () => window.print());
  $("clear").addEventListener("click", clear);
  $("save-picture").addEventListener("click", () => {
    const { classes, model } = state;
    picture(viewer, state.current, { classes, method: $("map").value, model: model.model, notice: model.notice });
  });
}

/** Show the model, and offer its classes and card. */
function introduced() {
  const { model } = state;
  const good = accuracies(model.metrics);
  $("model-line").textContent = `Model ${model.model}: ${batch.classesText(model.classes)}.${good.map((one) => ` ${one}`).join("")}`;
  $("classes").textContent = batch.classesText(model.classes);
  $("card-open").hidden = false;
  $("card-rows").replaceChildren(...card(model).flatMap(([what, value]) => {
    const [term, text] = ["dt", "dd"].map((kind) => document.createElement(kind));
    [term.textContent, text.textContent] = [what, value];
    return [term, text];
  }));
  document.body.dataset.model = model.model;
}

/** After a restart, the service may have another model: then every file is read again. */
async function restarted() {
  if (!state.model) return;
  const model = await api.model();
  if (model.model === state.model.model) return; // another response has already started it
  state.model = model;
  const files = state.taken.added; // also those that are still being read
  state.classes = state.model.classes;
  introduced();
  clear();
  await add(files);
}

function listenToPage() {
  const theme = (name) => {
    document.documentElement.dataset.theme = name;
    $("theme").setAttribute("aria-pressed", name === "dark");
    strip.draw();
  };
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  theme(preferred.matches ? "dark" : "light");
  preferred.addEventListener("change", () => theme(preferred.matches ? "dark" : "light"));
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  $("view-controls").open = !window.matchMedia("(max-width: 700px)").matches;
  const opened = (name) => {
    $(name).showModal();
    $(`${name}-title`).focus(); // else the focus, and with it the text in sight, is at the button at the end
    $(name).scrollTop = 0;
  };
  for (const name of ["help", "card"]) {
    $(`${name}-open`).addEventListener("click", () => opened(name));
    $(`${name}-close`).addEventListener("click", () => $(name).close());
  }
  window.addEventListener("keydown", (event) => {
    if (event.key === "?" && !event.target.closest("input, select, dialog")) opened("help");
  });
  const compared = () => restarted().catch((error) => state.report(error.message));
  api.connection.watch = (lost) => {
    $("lost").hidden = !lost;
    if (!lost) compared();
  };
  api.connection.used = async (model) => { if (model !== state.model?.model) await compared(); };
  setInterval(api.heartbeat, 15_000);
}

async function start() {
  document.body.classList.add("empty");
  listenToPage();
  listenToFiles();
  listenToControls(viewer, step, () => Boolean(state.current));
  $("evidence").addEventListener("change", () => { viewer.view.evidence = $("evidence").checked; viewer.paint(); maps.around(); });
  listenToList();
  try {
    [state.model, state.examples] = await Promise.all([api.model(), api.examples()]);
    state.classes = state.model.classes;
    introduced();
  } catch (error) {
    state.report(error.message);
  }
}

start();
