/** Drawing of slices: grey levels, heat over them, outlines, orientation and scale. */

const FLOOR = 6;
const FOR = [255, 122, 26];
const AGAINST = [56, 132, 255];
export const RAMP = { for: `rgb(${FOR})`, against: `rgb(${AGAINST})` };

/** Draw picture and heat into an ImageData of the picture's own pixels; the opacity of the colour shows the strength. */
export function painted(picture, heat, view) {
  const { width, height, levels } = picture;
  const data = new ImageData(width, height);
  const span = Math.max(picture.high - picture.low, 1e-12);
  const low = view.centre - view.width / 2;
  const scale = 255 / Math.max(view.width, 1e-12);
  const inside = heat && !view.outside ? headOf(picture) : () => true;
  for (let i = 0; i < levels.length; i += 1) {
    const value = picture.low + (levels[i] / 65535) * span;
    const grey = Math.min(255, Math.max(0, (value - low) * scale));
    let [r, g, b] = [grey, grey, grey];
    const hot = heat && view.opacity > 0 ? heat.values[i] : 0;
    if ((hot > FLOOR || (view.against && hot < -FLOOR)) && inside(i)) {
      const share = view.opacity * Math.sqrt(Math.abs(hot) / 127);
      const [hr, hg, hb] = hot > 0 ? FOR : AGAINST;
      r += (hr - r) * share;
      g += (hg - g) * share;
      b += (hb - b) * share;
    }
    data.data[4 * i] = r;
    data.data[4 * i + 1] = g;
    data.data[4 * i + 2] = b;
    data.data[4 * i + 3] = 255;
  }
  return data;
}

const heads = new WeakMap();

/** Return a function from pixel indices to whether they lie in the head: between bright pixels across and down. */
function headOf(picture) {
  if (!heads.has(picture)) heads.set(picture, edgesOf(picture));
  const { first, last, top, bottom } = heads.get(picture);
  return (i) => {
    const [x, y] = [i % picture.width, Math.floor(i / picture.width)];
    return x >= first[y] && x <= last[y] && y >= top[x] && y <= bottom[x];
  };
}

function edgesOf(picture) {
  const { width, height, levels } = picture;
  const dark = 0.1 * quantile(picture, 0.99);
  const edges = {
    first: new Int32Array(height).fill(width), last: new Int32Array(height).fill(-1),
    top: new Int32Array(width).fill(height), bottom: new Int32Array(width).fill(-1),
  };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const i = y * width + x;
      const alone = x + 1 < width && levels[i + 1] <= dark && x > 0 && levels[i - 1] <= dark; // noise
      if (levels[i] <= dark || alone) continue;
      edges.first[y] = Math.min(edges.first[y], x);
      edges.last[y] = x;
      edges.top[x] = Math.min(edges.top[x], y);
      edges.bottom[x] = y;
    }
  }
  return edges;
}

/** Return the level (0 to 65535) below which a share of the pixels lies, to 1/1024 of the range. */
function quantile({ levels }, share) {
  const counts = new Uint32Array(1024);
  for (const level of levels) counts[level >> 6] += 1;
  let left = share * levels.length;
  const place = counts.findIndex((count) => (left -= count) <= 0);
  return place < 0 ? 65535 : 64 * place + 32;
}

const whole = (picture) => ({ centre: (picture.low + picture.high) / 2, width: Math.max(picture.high - picture.low, 1e-6) });

/** Return the window of a picture's header, or its whole range of intensities. */
export function ownWindow(picture) {
  return picture.window ? { centre: picture.window[0], width: Math.max(picture.window[1], 1e-6) } : whole(picture);
}

/** Presets of window and level: names for a list, and functions from pictures to windows. */
export const PRESETS = {
  own: { name: "of the file", of: ownWindow },
  whole: { name: "whole range", of: whole },
  middle: { name: "1 to 99 % of the pixels", of: (picture) => between(picture, 0.01, 0.99) },
  narrow: { name: "50 to 99 %, high contrast", of: (picture) => between(picture, 0.5, 0.99) },
};

function between(picture, from, to) {
  const [low, high] = [from, to].map((share) => picture.low + (quantile(picture, share) / 65535) * (picture.high - picture.low));
  return { centre: (low + high) / 2, width: Math.max(high - low, (picture.high - picture.low) / 256, 1e-6) };
}

/**
 * Draw outlines, polygons of [x, y], with a pen whose units are the picture's pixels.
 * ``view.outside`` draws also what lies outside the head.
 */
export function outlined(pen, picture, polygons, wide, view) {
  const inside = view.outside ? () => true : headOf(picture);
  pen.strokeStyle = "#ffd24d";
  pen.lineWidth = wide;
  for (const line of polygons) {
    const seen = line.map(([x, y]) => inside(y * picture.width + x));
    pen.beginPath();
    line.forEach(([x, y], place) => {
      const next = (place + 1) % line.length;
      if (!seen[place] && !seen[next]) return;
      pen.moveTo(x + 0.5, y + 0.5);
      pen.lineTo(line[next][0] + 0.5, line[next][1] + 0.5);
    });
    pen.stroke();
  }
}

/** Return how a picture lies on a canvas: its scale, and its edges in pixels of the canvas. */
export function placed(picture, canvas, view) {
  const { width, height } = picture;
  const [down, across] = picture.spacing_mm ?? [1, 1];
  const tall = down / across; // height of a pixel divided by its width
  const fit = Math.min(canvas.width / width, canvas.height / (height * tall)) * view.zoom;
  const left = (canvas.width - width * fit) / 2 + view.x;
  const top = (canvas.height - height * tall * fit) / 2 + view.y;
  return { fit, tall, left, top, right: left + width * fit, bottom: top + height * tall * fit };
}

function written(pen, text, x, y) {
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

const BARS = [100, 50, 20, 10, 5, 2, 1]; // mm

/** Write orientation letters at the picture's edges, and a scale bar; ``unit`` is a CSS pixel in pixels of the canvas. */
export function marked(pen, picture, place, marks, unit) {
  const { canvas } = pen;
  const box = {
    left: Math.max(place.left, 0), right: Math.min(place.right, canvas.width),
    top: Math.max(place.top, 0), bottom: Math.min(place.bottom, canvas.height),
  };
  pen.setTransform(1, 0, 0, 1, 0, 0);
  Object.assign(pen, { font: `600 ${14 * unit}px system-ui, sans-serif`, fillStyle: "#fff", strokeStyle: "#000", lineWidth: 3 * unit, lineJoin: "round", textAlign: "center", textBaseline: "middle" });
  if (marks.orientation) {
    const [left, right, top, bottom] = marks.orientation;
    const [x, y, edge] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2, 12 * unit];
    written(pen, left, box.left + edge, y);
    written(pen, right, box.right - edge, y);
    written(pen, top, x, box.top + edge);
    written(pen, bottom, x, box.bottom - edge);
  }
  const spacing = marks.spacing_mm ?? picture.spacing_mm;
  if (!spacing) return;
  const perMm = place.fit / spacing[1];
  const long = BARS.find((mm) => mm * perMm < 0.3 * (box.right - box.left));
  if (!long) return;
  const [x, y] = [box.left + 12 * unit, box.bottom - 12 * unit];
  pen.fillRect(x, y, long * perMm, 3 * unit);
  Object.assign(pen, { textAlign: "left", textBaseline: "bottom", font: `600 ${12 * unit}px system-ui, sans-serif` });
  written(pen, `${long} mm`, x, y - 2 * unit);
}
