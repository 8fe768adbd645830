/** Probabilities by slice, as stacked columns in the order of the legend, from the top. */

import { className } from "./labels.js";

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
    this.canvas.setAttribute("aria-valuemax", items.length);
    this.canvas.setAttribute("aria-valuenow", Math.max(place, 1));
    const probabilities = current?.prediction?.probabilities;
    const text = probabilities ? `: ${classes.map((name) => `${className(name)} ${probabilities[name].toFixed(2)}`).join(", ")}` : "";
    this.canvas.setAttribute("aria-valuetext", `slice ${place} of ${items.length}${text}`);
    if (this.legend.childElementCount !== classes.length) this.explain();
    this.draw();
  }

  /** Fill the legend, in the order of a column from the top. */
  explain() {
    this.legend.replaceChildren(...this.classes.map((name, number) => {
      const line = document.createElement("li");
      const patch = document.createElement("span");
      patch.style.background = `var(--c${number % 4})`;
      line.append(patch, className(name));
      return line;
    }));
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { canvas, items } = this;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const pen = canvas.getContext("2d");
    const wide = canvas.width / Math.max(items.length, 1);
    const colours = this.colours();
    items.forEach((item, place) => {
      let top = 0;
      if (item.error) {
        pen.fillStyle = "#777";
        pen.fillRect(place * wide, canvas.height * 0.9, wide, canvas.height * 0.1);
      } else {
        this.classes.forEach((name, number) => {
          const high = item.prediction.probabilities[name] * canvas.height;
          pen.fillStyle = colours[number % 4];
          pen.globalAlpha = item.prediction.abstained ? 0.4 : 1;
          pen.fillRect(place * wide, top, Math.max(wide - ratio, 1), high);
          top += high;
        });
      }
      pen.globalAlpha = 1;
      if (item === this.current) {
        pen.strokeStyle = colours.at(-1);
        pen.lineWidth = 3 * ratio;
        pen.strokeRect(place * wide + ratio, ratio, Math.max(wide - 3 * ratio, 2), canvas.height - 2 * ratio);
      }
    });
  }
}
