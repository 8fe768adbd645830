/** Probabilities by slice of one series, as stacked columns in the order of the legend, from the top. */

import { className, DECLINED, isNamed, isSuspected, SUSPECTED, verdictName, verdictOf } from "./labels.js";

export class Strip {
  constructor(canvas, legend, colours, choose) {
    Object.assign(this, { canvas, legend, colours, choose, items: [], current: null, classes: [] });
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("click", (event) => {
      const place = Math.floor((event.offsetX / canvas.clientWidth) * this.items.length);
      this.pick(place);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.pick(this.items.indexOf(this.current) + step);
    });
  }

  pick(place) {
    const item = this.items[Math.min(this.items.length - 1, Math.max(0, place))];
    if (item) this.choose(item);
  }

  show(items, current, classes) {
    Object.assign(this, { items, current, classes });
    const place = items.indexOf(current) + 1;
    this.canvas.setAttribute("aria-valuemax", Math.max(items.length, 1));
    this.canvas.setAttribute("aria-valuenow", Math.max(place, 1));
    const probabilities = current?.prediction?.probabilities;
    const text = probabilities ? `, ${verdictName(verdictOf(current))}: ${classes.map((name) => `${className(name)} ${probabilities[name].toFixed(2)}`).join(", ")}` : "";
    this.canvas.setAttribute("aria-valuetext", `slice ${place} of ${items.length}${text}`);
    if (this.legend.childElementCount !== classes.length + 2) this.explain();
    this.draw();
  }

  /** Fill the legend, in the order of a column from the top. */
  explain() {
    const line = (name, colour) => {
      const made = document.createElement("li");
      const patch = document.createElement("span");
      patch.style.background = colour;
      made.append(patch, name);
      return made;
    };
    const lines = this.classes.map((name, number) => line(className(name), `var(--c${number % 4})`));
    const others = [SUSPECTED, DECLINED].map((verdict) => line(verdictName(verdict), `var(--${verdict})`));
    this.legend.replaceChildren(...lines, ...others);
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { canvas, items } = this;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const pen = canvas.getContext("2d");
    const wide = canvas.width / Math.max(items.length, 1);
    const { classes: colours, suspected, declined, ink } = this.colours();
    items.forEach((item, place) => {
      const across = [place * wide, Math.max(wide - ratio, 1)];
      if (isNamed(item)) {
        let top = 0;
        this.classes.forEach((name, number) => {
          const high = item.prediction.probabilities[name] * canvas.height;
          pen.fillStyle = colours[number % 4];
          pen.fillRect(across[0], top, across[1], high);
          top += high;
        });
      } else {
        pen.fillStyle = isSuspected(item) ? suspected : declined;
        pen.fillRect(across[0], 0, across[1], canvas.height);
      }
      if (item === this.current) {
        pen.strokeStyle = ink;
        pen.lineWidth = 3 * ratio;
        pen.strokeRect(place * wide + ratio, ratio, Math.max(wide - 3 * ratio, 2), canvas.height - 2 * ratio);
      }
    });
  }
}
