/** The page: files in, predictions out. All data stays in this tab and in the memory of the service. */

import { Maps, bars, reasonText, verdictText } from "./answer.js";
import * as api from "./api.js";
import * as batch from "./batch.js";
import { chosen, dropped, groups, named } from "./drops.js";
import { className } from "./labels.js";
import { every, Pictures } from "./pictures.js";
import { answered } from "./reading.js";
import { MOST_PICTURES, report, small } from "./report.js";
import { Strip } from "./strip.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);

const state = {
  items: [],
  current: null,
  classes: [],
  model: null,
  taken: new Set(),
  seed: 0,
  cleared: 0, // number of times that the table was cleared; results of earlier requests are discarded
  table: { filter: "", search: "", sort: "number", down: false },
  report(text) { $("status").textContent = text; },
};

const colours = () => {
  const style = getComputedStyle(document.documentElement);
  return [0, 1, 2, 3].map((number) => style.getPropertyValue(`--c${number}`).trim()).concat(style.getPropertyValue("--ink").trim());
};

const viewer = new Viewer($("canvas"), controls);
const maps = new Maps(state, viewer);
const strip = new Strip($("strip"), $("legend"), colours, choose);
const pictures = new Pictures();

function controls() {
  const { picture, view } = viewer;
  $("view-controls").hidden = !picture;
  if (!picture) return;
  const span = Math.max(picture.high - picture.low, 1e-6);
  $("level").value = 1000 * ((view.centre - picture.low) / span);
  $("window").value = 1000 * (view.width / span);
  $("zoom").value = 100 * view.zoom;
}

function listed() {
  const several = state.items.length > 0;
  $("batch").hidden = !several;
  document.body.classList.toggle("empty", !several);
  batch.fill($("rows"), batch.shown(state.items, state.table), state.current, choose);
  for (const button of document.querySelectorAll("[data-sort]")) {
    const sorted = button.dataset.sort === state.table.sort ? (state.table.down ? "descending" : "ascending") : "none";
    button.parentElement.setAttribute("aria-sort", sorted);
  }
  $("strip-box").hidden = state.items.length < 2;
  strip.show(state.items, state.current, state.classes);
}

function described(item) {
  $("viewer-title").textContent = item ? batch.nameOf(item) : "No slice yet";
  $("verdict").textContent = item ? verdictText(item) : "Prediction";
  $("reason").textContent = item ? reasonText(item) : "Choose a slice, or try a phantom.";
  $("reason").classList.toggle("abstained", Boolean(item && (item.error || item.prediction.abstained)));
  bars(item, state.classes);
  const label = item?.prediction
    ? `${batch.nameOf(item)}: ${verdictText(item)}; ${state.classes.map((name) => `${className(name)} ${item.prediction.probabilities[name].toFixed(2)}`).join(", ")}`
    : "No slice is shown";
  $("canvas").setAttribute("aria-label", label);
}

/** Show an item; its picture and evidence are fetched when it is first shown. */
async function choose(item) {
  state.current = item;
  described(item);
  listed();
  if (!item || item.error || item.picture) {
    loading(false);
    maps.offer(item);
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
  maps.offer(item);
}

/** Dim the previous slice while the next one loads, because the text already describes the next one. */
function loading(on) {
  $("stage").classList.toggle("loading", on);
  $("stage").setAttribute("aria-busy", on);
}

const PAUSE = 90; // milliseconds

async function add(files) {
  const fresh = named(files, state.taken);
  if (!fresh.length) { state.report("No file was found."); return; }
  const [first, turn, plane] = [state.items.length, state.cleared, $("plane").value];
  $("reading").hidden = false;
  let done = 0;
  for (const group of groups(fresh)) {
    state.report(`Reading ${done + 1} to ${done + group.length} of ${fresh.length} …`);
    const items = await answered(group, plane);
    if (turn !== state.cleared) return;
    items.forEach(keep);
    done += group.length;
    $("reading").value = done / fresh.length;
    listed();
    if (!state.current) choose(state.items[first]);
  }
  $("reading").hidden = true;
  const errors = state.items.slice(first).filter((item) => item.error).length;
  const good = state.items.length - first - errors;
  state.report(`${good} slice${good === 1 ? "" : "s"} predicted${errors ? `, ${errors} unreadable` : ""}.`);
  if (state.items[first]) choose(state.items[first]);
  $("viewer").focus({ preventScroll: true });
}

function keep(item) {
  state.items.push({ number: state.items.length, picture: null, maps: null, ...item });
}

async function phantom(series) {
  const label = state.model.phantoms[(state.seed + 1) % state.model.phantoms.length];
  state.seed += 1;
  try {
    const blob = await api.phantom(label, state.seed, series);
    const end = series ? "series.zip" : "slice.png";
    await add([{ file: blob, name: `phantom-${state.seed}-${label}-${end}` }]);
  } catch (error) {
    state.report(error.message);
  }
}

function step(by) {
  const order = batch.shown(state.items, state.table);
  const place = order.indexOf(state.current) + by;
  if (order[place]) choose(order[place]);
}

const ACTIONS = {
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  "+": () => viewer.zoomBy(1.25),
  "-": () => viewer.zoomBy(0.8),
  "[": () => viewer.windowBy(-0.05, 0),
  "]": () => viewer.windowBy(0.05, 0),
  ",": () => viewer.windowBy(0, -0.03),
  ".": () => viewer.windowBy(0, 0.03),
  0: () => viewer.reset(),
  e: () => { viewer.view.evidence = !viewer.view.evidence; viewer.paint(); },
  o: () => $("outline").click(),
};

const NOTCH = 60; // pixels of wheel movement per slice
let turned = 0;

function listenToViewer() {
  $("canvas").addEventListener("keydown", (event) => {
    const action = ACTIONS[event.key] ?? ACTIONS[event.key.toLowerCase()];
    if (!action || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    action();
  });
  $("canvas").addEventListener("wheel", (event) => {
    if (!state.current) return;
    event.preventDefault();
    if (event.ctrlKey) {
      viewer.zoomBy(event.deltaY < 0 ? 1.15 : 0.87);
      return;
    }
    turned += event.deltaMode ? 100 * event.deltaY : event.deltaY;
    if (Math.abs(turned) < NOTCH) return;
    step(Math.sign(turned));
    turned = 0;
  }, { passive: false });
  const span = () => Math.max(viewer.picture.high - viewer.picture.low, 1e-6);
  $("level").addEventListener("input", () => { viewer.chosen = true; viewer.view.centre = viewer.picture.low + ($("level").value / 1000) * span(); viewer.paint(); });
  $("window").addEventListener("input", () => { viewer.chosen = true; viewer.view.width = ($("window").value / 1000) * span(); viewer.paint(); });
  $("zoom").addEventListener("input", () => { viewer.view.zoom = $("zoom").value / 100; viewer.draw(); });
  $("reset").addEventListener("click", () => viewer.reset());
}

function listenToFiles() {
  $("choose").addEventListener("click", () => $("file-input").click());
  $("choose-folder").addEventListener("click", () => $("folder-input").click());
  for (const id of ["file-input", "folder-input"]) {
    $(id).addEventListener("change", async () => { await add(chosen($(id))); $(id).value = ""; });
  }
  $("phantom").addEventListener("click", () => phantom(0));
  $("phantom-series").addEventListener("click", () => phantom(12));
  window.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
  window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    await add(await dropped(event.dataTransfer));
  });
}

function listenToTable() {
  $("filter").addEventListener("change", () => { state.table.filter = $("filter").value; listed(); });
  $("search").addEventListener("input", () => { state.table.search = $("search").value; listed(); });
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      const same = state.table.sort === button.dataset.sort;
      Object.assign(state.table, { sort: button.dataset.sort, down: same && !state.table.down });
      listed();
    });
  }
  $("csv").addEventListener("click", () => batch.save(batch.csv(batch.shown(state.items, state.table), state.classes), "text/csv", "gadolin.csv"));
  $("report").addEventListener("click", reported);
  $("print").addEventListener("click", () => window.print());
  $("clear").addEventListener("click", () => {
    Object.assign(state, { items: [], current: null, cleared: state.cleared + 1 });
    state.taken.clear();
    pictures.forget();
    $("reading").hidden = true;
    described(null);
    listed();
    maps.offer(null);
    state.report("Cleared.");
  });
}

/** Save a report of the slices that the table shows, with their pictures. */
async function reported() {
  const items = batch.shown(state.items, state.table);
  const drawn = items.filter((item) => item.prediction).slice(0, MOST_PICTURES);
  const [turn, found] = [state.cleared, new Map()];
  $("report").disabled = true;
  $("reading").hidden = false;
  try {
    await every(drawn, (item, seen) => {
      found.set(item, small(seen));
      $("reading").value = found.size / drawn.length;
      state.report(`Drawing picture ${found.size} of ${drawn.length} for the report …`);
      return turn === state.cleared;
    });
    if (turn !== state.cleared) return;
    const content = { classes: state.classes, model: state.model.model, notice: state.model.notice, pictures: found };
    batch.save(report(items, content), "text/html", "gadolin-report.html");
    state.report(`Saved the report of ${items.length} slice${items.length === 1 ? "" : "s"}.`);
  } catch (error) {
    state.report(`The report failed: ${error.message}`);
  } finally {
    $("report").disabled = false;
    $("reading").hidden = true;
  }
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").setAttribute("aria-pressed", name === "dark");
  strip.draw();
}

function listenToPage() {
  const preferred = window.matchMedia("(prefers-color-scheme: dark)");
  theme(preferred.matches ? "dark" : "light");
  preferred.addEventListener("change", () => theme(preferred.matches ? "dark" : "light"));
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  $("help-open").addEventListener("click", () => $("help").showModal());
  window.addEventListener("keydown", (event) => {
    if (event.key === "?" && !event.target.closest("input, select, dialog")) $("help").showModal();
  });
  $("help-close").addEventListener("click", () => $("help").close());
}

async function start() {
  document.body.classList.add("empty");
  listenToPage();
  listenToFiles();
  listenToViewer();
  listenToTable();
  try {
    state.model = await api.model();
    state.classes = state.model.classes;
    $("model-line").textContent = `Model ${state.model.model}, version ${state.model.version}: ${state.classes.map(className).join(", ")}.`;
    $("classes").textContent = state.classes.map(className).join(", ");
    for (const name of state.classes) $("filter").append(new Option(className(name), name));
  } catch (error) {
    state.report(error.message);
  }
}

start();
