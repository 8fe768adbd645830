/** A slice on a canvas: grey levels, heat over it, outline, zoom and window. */

const FLOOR = 6;

/** Colour of heat: warm for the class, cool against it; the opacity shows the strength. */
function tint(value) {
  return value > 0 ? [255, 122, 26] : [56, 132, 255];
}

/** Draw picture and heat into an ImageData of the picture's own pixels. */
export function painted(picture, heat, view) {
  const { width, height, levels } = picture;
  const data = new ImageData(width, height);
  const span = Math.max(picture.high - picture.low, 1e-12);
  const low = view.centre - view.width / 2;
  const scale = 255 / Math.max(view.width, 1e-12);
  const opacity = view.opacity;
  for (let i = 0; i < levels.length; i += 1) {
    const value = picture.low + (levels[i] / 65535) * span;
    const grey = Math.min(255, Math.max(0, (value - low) * scale));
    let [r, g, b] = [grey, grey, grey];
    const hot = heat && opacity > 0 ? heat.values[i] : 0;
    if (hot > FLOOR || (view.against && hot < -FLOOR)) {
      const share = opacity * Math.sqrt(Math.abs(hot) / 127);
      const [hr, hg, hb] = tint(hot);
      r += (hr - r) * share;
      g += (hg - g) * share;
      b += (hb - b) * share;
    }
    data.data.set([r, g, b, 255], 4 * i);
  }
  return data;
}

/** Return the window of a picture's header, or its whole range of intensities. */
export function ownWindow(picture) {
  const whole = { centre: (picture.low + picture.high) / 2, width: Math.max(picture.high - picture.low, 1e-6) };
  return picture.window ? { centre: picture.window[0], width: Math.max(picture.window[1], 1e-6) } : whole;
}

/** Draw outlines, polygons of [x, y], with a pen whose units are the picture's pixels. */
export function outlined(pen, polygons, wide) {
  pen.strokeStyle = "#ffd24d";
  pen.lineWidth = wide;
  for (const line of polygons) {
    pen.beginPath();
    for (const [x, y] of line) pen.lineTo(x + 0.5, y + 0.5);
    pen.closePath();
    pen.stroke();
  }
}

export class Viewer {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.picture = null;
    this.heat = null;
    this.polygons = [];
    this.view = { centre: 0, width: 1, opacity: 0.45, zoom: 1, x: 0, y: 0, outline: true, evidence: true, against: false };
    this.chosen = false; // whether the window was set by hand and is kept for other slices
    this.still = document.createElement("canvas");
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.listen();
  }

  show(picture, heat, polygons) {
    if (picture && picture !== this.picture && !this.chosen) Object.assign(this.view, ownWindow(picture));
    Object.assign(this, { picture, heat, polygons });
    this.paint();
  }

  reset() {
    this.chosen = false;
    Object.assign(this.view, { zoom: 1, x: 0, y: 0 }, this.picture ? ownWindow(this.picture) : {});
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
    const [wide, high] = [this.canvas.clientWidth, this.canvas.clientHeight];
    this.canvas.width = Math.round(wide * ratio);
    this.canvas.height = Math.round(high * ratio);
    const pen = this.canvas.getContext("2d");
    if (!this.picture) return;
    const { width, height } = this.picture;
    const [down, across] = this.picture.spacing_mm ?? [1, 1];
    const tall = down / across; // height of a pixel divided by its width
    const fit = Math.min(this.canvas.width / width, this.canvas.height / (height * tall)) * this.view.zoom;
    pen.imageSmoothingEnabled = fit < 4;
    pen.setTransform(
      fit, 0, 0, fit * tall,
      (this.canvas.width - width * fit) / 2 + this.view.x * ratio,
      (this.canvas.height - height * tall * fit) / 2 + this.view.y * ratio,
    );
    pen.drawImage(this.still, 0, 0);
    if (this.view.outline && this.view.evidence) outlined(pen, this.polygons, (1.6 * ratio) / fit);
  }

  zoomBy(factor) {
    this.view.zoom = Math.min(8, Math.max(1, this.view.zoom * factor));
    if (this.view.zoom === 1) Object.assign(this.view, { x: 0, y: 0 });
    this.draw();
    this.changed();
  }

  windowBy(across, down) {
    if (!this.picture) return;
    this.chosen = true;
    const span = Math.max(this.picture.high - this.picture.low, 1e-6);
    this.view.width = Math.min(2 * span, Math.max(span / 256, this.view.width + across * span));
    this.view.centre = Math.min(this.picture.high, Math.max(this.picture.low, this.view.centre + down * span));
    this.paint();
  }

  listen() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, window: event.shiftKey || event.button === 2 };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      Object.assign(from, { x: event.clientX, y: event.clientY });
      if (from.window) {
        this.windowBy(dx / 400, -dy / 400);
      } else if (this.view.zoom > 1) {
        this.view.x += dx;
        this.view.y += dy;
        this.draw();
      }
    });
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, () => { from = null; });
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }
}
