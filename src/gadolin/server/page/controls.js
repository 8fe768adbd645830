/** Keys, wheel, sliders and numbers of the viewer. */

import { PRESETS } from "./paint.js";

const $ = (id) => document.getElementById(id);

const NOTCH = 60; // pixels of wheel movement per slice

const spanOf = (picture) => Math.max(picture.high - picture.low, 1e-6);

/** Show the state of the view in its controls. */
export function controls({ picture, view, chosen, preset }) {
  $("view-controls").hidden = !picture;
  $("view").hidden = !picture && $("strip-box").hidden;
  if (!picture) return;
  $("level").value = 1000 * ((view.centre - picture.low) / spanOf(picture));
  $("window").value = 1000 * (view.width / spanOf(picture));
  $("level-number").value = Number(view.centre.toPrecision(4));
  $("window-number").value = Number(view.width.toPrecision(4));
  $("zoom").value = 100 * view.zoom;
  $("preset").value = chosen ? "" : preset;
}

function listenToSliders(viewer) {
  $("preset").append(...Object.entries(PRESETS).map(([key, { name }]) => new Option(name, key)));
  $("preset").addEventListener("change", () => viewer.use($("preset").value));
  $("level").addEventListener("input", () => viewer.set({ centre: viewer.picture.low + ($("level").value / 1000) * spanOf(viewer.picture) }));
  $("window").addEventListener("input", () => viewer.set({ width: ($("window").value / 1000) * spanOf(viewer.picture) }));
  for (const [id, field] of [["level-number", "centre"], ["window-number", "width"]]) {
    $(id).addEventListener("change", () => {
      if ($(id).value && $(id).validity.valid) viewer.set({ [field]: Number($(id).value) });
      else controls(viewer);
    });
  }
  $("zoom").addEventListener("input", () => viewer.zoomTo($("zoom").value / 100));
  $("reset").addEventListener("click", () => viewer.reset());
}

function actionsOf(viewer, step) {
  return {
    ArrowUp: () => step(-1),
    ArrowDown: () => step(1),
    "+": () => viewer.zoomBy(1.25),
    "-": () => viewer.zoomBy(0.8),
    "[": () => viewer.windowBy(-0.05, 0),
    "]": () => viewer.windowBy(0.05, 0),
    ",": () => viewer.windowBy(0, -0.03),
    ".": () => viewer.windowBy(0, 0.03),
    0: () => viewer.reset(),
    e: () => $("evidence").click(),
    o: () => $("outline").click(),
  };
}

const WRITING = "input:not([type=checkbox]), select, dialog, summary, [role=slider]"; // these have keys of their own

/** Listen; ``step`` is called with 1 or -1 for the next or previous slice, ``there`` tells whether a slice is shown. */
export function listenToControls(viewer, step, there) {
  const actions = actionsOf(viewer, step);
  window.addEventListener("keydown", (event) => {
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action || !there() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(WRITING)) return;
    event.preventDefault();
    action();
  });
  let turned = 0;
  $("stage").addEventListener("wheel", (event) => {
    if (!there()) return;
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
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  listenToSliders(viewer);
}
