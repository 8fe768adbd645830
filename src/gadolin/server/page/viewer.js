/** A slice on a canvas, with zoom, window and level. */

import { listen } from "./gestures.js";
import { marked, outlined, ownWindow, painted, placed, PRESETS } from "./paint.js";

export class Viewer {
  /** ``changed`` is called after a change of the view, ``step`` with 1 or -1 at a swipe. */
  constructor(canvas, changed, step) {
    this.canvas = canvas;
    this.changed = changed;
    this.picture = null;
    this.heat = null;
    this.polygons = [];
    this.marks = {};
    this.view = { centre: 0, width: 1, opacity: 0.45, zoom: 1, x: 0, y: 0, outline: true, evidence: true, against: false, outside: false };
    this.chosen = false; // whether the window was set by hand and is kept for other slices
    this.preset = "own";
    this.still = document.createElement("canvas");
    new ResizeObserver(() => this.draw()).observe(canvas);
    listen(this, step);
  }

  /** Show a picture with heat and outlines; ``marks`` may hold ``orientation`` and ``spacing_mm``. */
  show(picture, heat, polygons, marks) {
    const fresh = picture && picture !== this.picture;
    if (fresh && !this.chosen) Object.assign(this.view, PRESETS[this.preset].of(picture));
    Object.assign(this, { picture, heat, polygons, marks });
    this.paint();
  }

  reset() {
    this.chosen = false;
    this.preset = "own";
    Object.assign(this.view, { zoom: 1, x: 0, y: 0 }, this.picture ? ownWindow(this.picture) : {});
    this.paint();
  }

  /** Use a preset for this slice and the next ones. */
  use(preset) {
    Object.assign(this, { preset, chosen: false });
    if (this.picture) Object.assign(this.view, PRESETS[preset].of(this.picture));
    this.paint();
  }

  /** Set ``centre`` or ``width`` by hand. */
  set(values) {
    if (!this.picture) return;
    this.chosen = true;
    Object.assign(this.view, values);
    this.view.width = Math.max(this.view.width, 1e-6);
    this.paint();
  }

  /** Render the pixels again, then draw. */
  paint() {
    if (this.picture) {
      this.still.width = this.picture.width;
      this.still.height = this.picture.height;
      const view = { ...this.view, opacity: this.view.evidence ? this.view.opacity : 0 };
      this.still.getContext("2d").putImageData(painted(this.picture, this.heat, view), 0, 0);
    }
    this.draw();
    this.changed();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { canvas, picture } = this;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    canvas.style.touchAction = this.view.zoom > 1 ? "none" : "pan-y"; // at zoom 1, one finger scrolls the page
    if (picture) this.onto(canvas, { ...this.view, x: this.view.x * ratio, y: this.view.y * ratio }, ratio);
  }

  /** Draw the slice on a canvas, as it is shown; ``unit`` is a CSS pixel in pixels of the canvas. */
  onto(canvas, view, unit) {
    const pen = canvas.getContext("2d");
    const place = placed(this.picture, canvas, view);
    pen.imageSmoothingEnabled = place.fit < 4;
    pen.setTransform(place.fit, 0, 0, place.fit * place.tall, place.left, place.top);
    pen.drawImage(this.still, 0, 0);
    if (view.outline && view.evidence && this.heat) outlined(pen, this.picture, this.polygons, (1.6 * unit) / place.fit, view);
    marked(pen, this.picture, place, this.marks, unit);
  }

  zoomBy(factor) {
    this.zoomTo(this.view.zoom * factor);
  }

  zoomTo(zoom) {
    this.view.zoom = Math.min(8, Math.max(1, zoom));
    if (this.view.zoom === 1) Object.assign(this.view, { x: 0, y: 0 });
    this.draw();
    this.changed();
  }

  moveBy(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.draw();
  }

  windowBy(across, down) {
    if (!this.picture) return;
    const span = Math.max(this.picture.high - this.picture.low, 1e-6);
    this.set({
      width: Math.min(2 * span, Math.max(span / 256, this.view.width + across * span)),
      centre: Math.min(this.picture.high, Math.max(this.picture.low, this.view.centre + down * span)),
    });
  }
}
