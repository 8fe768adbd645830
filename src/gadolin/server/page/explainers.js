/** The buttons of LIME and SHAP, with the expected seconds, the progress and the result beside them. */

import * as api from "./api.js";

const $ = (id) => document.getElementById(id);

const METHODS = ["lime", "shap"];
const SAMPLES = 1000;
const EARLY = 0.05; // share done, below which the time that is left is not yet estimated

/** Return seconds as people say them. */
function spoken(seconds) {
  const rounded = seconds < 10 ? Math.max(1, Math.round(seconds)) : 5 * Math.round(seconds / 5);
  return rounded < 120 ? `${rounded} s` : `${Math.round(rounded / 60)} min`;
}

export class Explainers {
  /** ``done`` is called with an item and a method when its map is there. */
  constructor(state, done) {
    Object.assign(this, { state, done, abort: null, took: {} });
    for (const method of METHODS) $(method).addEventListener("click", () => this.ask(method));
    $("cancel").addEventListener("click", () => this.stop());
  }

  stop() {
    this.abort?.abort();
  }

  /** Tell the expected seconds of each method. */
  expect() {
    for (const method of METHODS) {
      const seconds = this.took[method] ?? Object.values(this.took)[0] ?? SAMPLES * api.pace.seconds;
      const there = this.state.current?.maps?.[method];
      if (this.abort && !$("job").hidden && this.running === method) continue;
      $(`${method}-state`).textContent = there ? "done" : Number.isFinite(seconds) ? `about ${spoken(seconds)}` : "";
    }
  }

  async ask(method) {
    const item = this.state.current;
    if (!item?.picture || this.abort) return;
    this.abort = new AbortController();
    this.working(method);
    this.state.report(`${method} is running …`);
    const begun = performance.now();
    const since = () => (performance.now() - begun) / 1000;
    try {
      const fields = { method, frame: item.frame, only: item.path, plane: item.plane, samples: SAMPLES };
      const progress = (share) => {
        $("job-progress").value = share;
        const left = share > EARLY ? `, about ${spoken((since() * (1 - share)) / share)} left` : "";
        const other = item === this.state.current ? "" : " of another slice";
        $(`${method}-state`).textContent = `${Math.round(100 * share)} %${other}${left}`;
      };
      const found = await api.explain(item.source, fields, progress, this.abort.signal);
      if (found.errors.length) throw new api.Problem(422, found.errors[0].error, found.errors[0].code);
      const [one] = found.explained[0].explanations;
      this.took[method] = since();
      if (item.maps) item.maps[method] = { ...api.heat(one.heat), class: one.class, trust: one.trust };
      this.state.report(`${method} is done: ${one.samples} samples in ${spoken(since())}.`);
      this.done(item, method);
    } catch (error) {
      this.state.report(error.code === "cancelled" ? `${method} was cancelled.` : `${method}: ${error.message}`);
    } finally {
      this.abort = null;
      this.working(null);
    }
  }

  working(method) {
    this.running = method;
    if (method) $(method).parentElement.after($("job"));
    $("job").hidden = !method;
    $("job-progress").value = 0;
    for (const name of METHODS) $(name).disabled = Boolean(method);
    if (method) $("cancel").focus();
    this.expect();
  }
}
