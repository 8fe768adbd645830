/** The list of slices: only the rows in sight are in the document. */

import { confidenceOf, dot, nameOf } from "./batch.js";
import { verdictName, verdictOf } from "./labels.js";
import { SIDE, Thumbs } from "./thumbs.js";

const MARGIN = 12; // rows above and below those in sight
const REST = 100; // milliseconds without new rows, after which their thumbnails are fetched: not in the middle of a scroll
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
    Object.assign(this, { items: [], current: null, classes: [], whole: false, drawn: [0, 0], high: 0, resting: 0 });
    this.blank = new Map(); // pictures by item that wait for a thumbnail
    this.rows = new Map(); // rows in the document by item
    this.thumbs = new Thumbs(() => this.fill());
    box.addEventListener("scroll", () => this.scrolled());
    new ResizeObserver(() => requestAnimationFrame(() => { this.rows.clear(); this.draw(); })).observe(box);
    window.addEventListener("beforeprint", () => this.print(true));
    window.addEventListener("afterprint", () => this.print(false));
  }

  show(items, current, classes) {
    const moved = current !== this.current;
    Object.assign(this, { items, current, classes });
    this.rows.clear(); // a verdict may have changed
    this.box.querySelector("table").setAttribute("aria-rowcount", items.length + 1);
    this.draw();
    if (moved) this.inView(items.indexOf(current));
  }

  print(whole) {
    this.whole = whole;
    this.draw();
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

  /** Return the first row in sight and the one after the last, each ``margin`` rows further out. */
  sight(margin) {
    const { box, items, high } = this;
    if (this.whole) return [0, items.length];
    const from = Math.max(0, Math.floor(box.scrollTop / high) - margin);
    return [from, Math.min(items.length, Math.ceil((box.scrollTop + box.clientHeight) / high) + margin)];
  }

  /** Draw again once rows are in sight that are not in the document. */
  scrolled() {
    const [from, to] = this.sight(0);
    if (from < this.drawn[0] || to > this.drawn[1]) this.draw();
  }

  draw() {
    const { items } = this;
    const high = this.high = parseFloat(getComputedStyle(this.box).getPropertyValue("--row"));
    const [from, to] = this.drawn = this.sight(MARGIN);
    const focused = this.body.contains(document.activeElement) ? document.activeElement.closest("tr") : null;
    const kept = focused && items[focused.getAttribute("aria-rowindex") - 2];
    const again = focused?.getAttribute("aria-current") === "true" ? this.current : kept;
    space(this.before, from * high);
    space(this.after, (items.length - to) * high);
    const before = this.rows;
    this.rows = new Map(items.slice(from, to).map((item, place) => [item, before.get(item) ?? this.row(item, from + place)]));
    for (const item of this.blank.keys()) if (!this.rows.has(item)) this.blank.delete(item);
    this.place([...this.rows.values()]);
    if (focused) this.body.querySelector(`tr[aria-rowindex="${items.indexOf(again) + 2}"] button`)?.focus({ preventScroll: true });
    clearTimeout(this.resting);
    if (!this.whole) this.resting = setTimeout(() => this.thumbs.want(items.slice(from, to), items), REST);
  }

  /** Put rows into the document; those that stay are not touched, so that a browser lays out only the others again. */
  place(rows) {
    const stay = new Set(rows);
    [...this.body.rows].forEach((row) => stay.has(row) || row.remove());
    let next = this.body.firstElementChild;
    for (const row of rows) {
      if (row === next) next = next.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
  }

  /** Draw the thumbnails that have arrived. The rows stay, because a click ends on the element where it began. */
  fill() {
    for (const [item, picture] of this.blank) {
      if (!item.thumb) continue;
      picture.src = item.thumb;
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
    const picture = document.createElement("img");
    picture.width = SIDE;
    picture.height = SIDE;
    picture.className = "thumb";
    picture.alt = "";
    if (item.thumb) picture.src = item.thumb;
    else this.blank.set(item, picture);
    return picture;
  }
}

function space(body, high) {
  body.hidden = high <= 0;
  body.rows[0].cells[0].style.height = `${high}px`;
}
