/** The list of slices: only the rows in sight are in the document. */

import { confidenceOf, dot, nameOf } from "./batch.js";
import { verdictName, verdictOf } from "./labels.js";
import { drawn, SIDE, Thumbs } from "./thumbs.js";

const MARGIN = 12; // rows above and below those in sight
const WIDE = 480; // pixels of a list that has room for long names
const LONG = 22; // letters

/** Leave out the middle of a long name, because its end differs from slice to slice. */
const shortened = (name) => (name.length > LONG ? `${name.slice(0, 8)}…${name.slice(-12)}` : name);

export class List {
  /** ``box`` scrolls and holds the table; ``choose`` is called with an item. */
  constructor(box, choose) {
    this.box = box;
    this.choose = choose;
    [this.before, this.body, this.after] = ["before", "rows", "after"].map((name) => box.querySelector(`#${name}`));
    Object.assign(this, { items: [], current: null, classes: [], whole: false });
    this.blank = new Map(); // canvases by item that wait for a thumbnail
    this.thumbs = new Thumbs(() => this.fill());
    box.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(box);
    window.addEventListener("beforeprint", () => this.print(true));
    window.addEventListener("afterprint", () => this.print(false));
  }

  show(items, current, classes) {
    const moved = current !== this.current;
    Object.assign(this, { items, current, classes });
    this.box.querySelector("table").setAttribute("aria-rowcount", items.length + 1);
    this.draw();
    if (moved) this.inView(items.indexOf(current));
  }

  print(whole) {
    this.whole = whole;
    this.draw();
  }

  get high() {
    return parseFloat(getComputedStyle(this.box).getPropertyValue("--row"));
  }

  /** Scroll a row into view within the box only. */
  inView(place) {
    if (place < 0) return;
    const head = this.box.querySelector("thead").offsetHeight;
    const [top, bottom] = [place * this.high, (place + 1) * this.high];
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    else if (bottom + head > scrollTop + clientHeight) this.box.scrollTop = bottom + head - clientHeight;
    else return;
    this.draw();
  }

  draw() {
    const { box, items, high } = this;
    const from = this.whole ? 0 : Math.max(0, Math.floor(box.scrollTop / high) - MARGIN);
    const to = this.whole ? items.length : Math.min(items.length, Math.ceil((box.scrollTop + box.clientHeight) / high) + MARGIN);
    const focused = this.body.contains(document.activeElement) ? document.activeElement.closest("tr") : null;
    const kept = focused && items[focused.getAttribute("aria-rowindex") - 2];
    const again = focused?.getAttribute("aria-current") === "true" ? this.current : kept;
    this.blank.clear();
    space(this.before, from * high);
    space(this.after, (items.length - to) * high);
    this.body.replaceChildren(...items.slice(from, to).map((item, place) => this.row(item, from + place)));
    if (focused) this.body.querySelector(`tr[aria-rowindex="${items.indexOf(again) + 2}"] button`)?.focus({ preventScroll: true });
    if (!this.whole) this.thumbs.want(items.slice(from, to), items);
  }

  /** Draw the thumbnails that have arrived. The rows stay, because a click ends on the element where it began. */
  fill() {
    for (const [item, canvas] of this.blank) {
      if (!item.thumb) continue;
      drawn(canvas, item.thumb);
      this.blank.delete(item);
    }
  }

  row(item, place) {
    const row = document.createElement("tr");
    row.setAttribute("aria-rowindex", place + 2);
    if (item === this.current) row.setAttribute("aria-current", "true");
    const count = document.createElement("span");
    count.className = "count";
    count.textContent = item.number + 1;
    row.insertCell().append(this.thumb(item), count);
    const link = document.createElement("button");
    link.type = "button";
    const name = document.createElement("span");
    const whole = nameOf(item).split("/").pop();
    name.textContent = this.box.clientWidth > WIDE ? whole : shortened(whole);
    link.append(name);
    link.title = nameOf(item);
    link.addEventListener("click", () => this.choose(item));
    row.insertCell().append(link);
    const verdict = row.insertCell();
    verdict.className = "verdict";
    verdict.append(dot(verdictOf(item), this.classes), verdictName(verdictOf(item)));
    const sure = row.insertCell();
    sure.className = "number";
    sure.textContent = item.error ? "" : confidenceOf(item).toFixed(2);
    return row;
  }

  thumb(item) {
    const canvas = document.createElement("canvas");
    canvas.width = SIDE;
    canvas.height = SIDE;
    canvas.className = "thumb";
    canvas.setAttribute("aria-hidden", "true");
    if (item.thumb) drawn(canvas, item.thumb);
    else this.blank.set(item, canvas);
    return canvas;
  }
}

function space(body, high) {
  body.hidden = high <= 0;
  body.rows[0].cells[0].style.height = `${high}px`;
}
