/** Small grey pictures of slices for the list, fetched when their rows come into sight. */

import * as api from "./api.js";
import { ownWindow } from "./paint.js";

export const SIDE = 48;
const MOST_AT_ONCE = 64; // pictures per response of the service
const FILES_AT_ONCE = 8;
const MOST_BYTES = 8 * 2 ** 20; // of one request; a larger volume gets the thumbnails of the slices that are shown

/** Return a picture as a data URL, letterboxed in SIDE x SIDE pixels: scrolling many <img> is faster than many canvases. */
export function small(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = SIDE;
  canvas.height = SIDE;
  const context = canvas.getContext("2d");
  context.putImageData(new ImageData(new Uint8ClampedArray(grey(picture).buffer), SIDE, SIDE), 0, 0);
  return canvas.toDataURL("image/jpeg", 0.85);
}

/** Return the pixels of a thumbnail, each 0xAABBGGRR. */
function grey(picture) {
  const { width, height, levels, low, high } = picture;
  const [down, across] = picture.spacing_mm ?? [1, 1];
  const tall = height * (down / across);
  const step = Math.max(width, tall) / SIDE;
  const window = ownWindow(picture);
  const pixels = new Uint32Array(SIDE * SIDE).fill(0xff000000);
  for (let row = 0; row < SIDE; row += 1) {
    for (let column = 0; column < SIDE; column += 1) {
      const x = Math.floor((column + 0.5 - SIDE / 2) * step + width / 2);
      const y = Math.floor(((row + 0.5 - SIDE / 2) * step + tall / 2) * (across / down));
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const value = low + (levels[y * width + x] / 65535) * (high - low);
      const tone = Math.round(Math.min(255, Math.max(0, 255 * ((value - window.centre) / window.width + 0.5))));
      pixels[row * SIDE + column] = 0xff000000 + tone * 0x010101;
    }
  }
  return pixels;
}

export class Thumbs {
  /** ``done`` is called when thumbnails have arrived. */
  constructor(done) {
    Object.assign(this, { done, wanted: [], all: [], busy: false });
  }

  /** Fetch the thumbnails of ``items`` out of ``all``, in place of those that were wanted before. */
  want(items, all) {
    Object.assign(this, { wanted: items, all });
    if (!this.busy) this.work();
  }

  async work() {
    this.busy = true;
    for (let group = this.next(); group.length; group = this.next()) {
      group.forEach((item) => { item.tried = true; });
      try {
        await fetched(group);
        this.done();
      } catch {
        // a row without a thumbnail is complete; the slice tells its error when it is shown
      }
    }
    this.busy = false;
  }

  /** Return the items of the next request: slices of one file, or several files of one slice. */
  next() {
    const open = this.wanted.filter((item) => item.prediction && !item.thumb && !item.tried);
    const [first] = open;
    if (!first) return [];
    if (first.siblings > 1) {
      if (first.siblings <= MOST_AT_ONCE) return this.all.filter((item) => item.source === first.source);
      if (first.source.file.size <= MOST_BYTES) return [first];
      open.forEach((item) => { item.tried ||= item.source === first.source; });
      return this.next();
    }
    let left = MOST_BYTES;
    const alone = open.filter((item) => item.siblings === 1 && item.plane === first.plane).slice(0, FILES_AT_ONCE);
    return alone.filter((item, place) => (left -= item.source.file.size) >= 0 || place === 0);
  }
}

async function fetched(items) {
  const [first] = items;
  const fields = { include: "picture", plane: first.plane };
  if (first.siblings > MOST_AT_ONCE) Object.assign(fields, { frame: first.frame, only: first.path });
  const sources = first.siblings > 1 ? [first.source] : items.map((item) => item.source);
  for (const answer of (await api.predict(sources, fields)).predictions) {
    const item = items.find((one) => one.path === answer.path && one.frame === answer.frame);
    if (item) item.thumb = small(api.picture(answer.picture));
  }
}
