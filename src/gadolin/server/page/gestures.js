/** Mouse, pen and fingers on the viewer: move, window, pinch, swipe. */

const SWIPE = 50; // pixels across

/** Listen to a viewer's canvas; ``step`` is called with 1 or -1 at a swipe. */
export function listen(viewer, step) {
  const { canvas } = viewer;
  const down = new Map(); // pointers by number
  let start = null; // of a possible swipe

  canvas.addEventListener("pointerdown", (event) => {
    const windowing = event.shiftKey || event.button === 2;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY, windowing });
    const swipe = event.pointerType === "touch" && down.size === 1 && viewer.view.zoom === 1;
    start = swipe ? { x: event.clientX, y: event.clientY } : null;
    canvas.setPointerCapture(event.pointerId);
  });

  canvas.addEventListener("pointermove", (event) => {
    const from = down.get(event.pointerId);
    if (!from) return;
    const apart = spread(down);
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    Object.assign(from, { x: event.clientX, y: event.clientY });
    if (down.size === 2) {
      if (apart > 0) viewer.zoomBy(spread(down) / apart);
      return;
    }
    if (from.windowing) viewer.windowBy(dx / 400, -dy / 400);
    else if (viewer.view.zoom > 1) viewer.moveBy(dx, dy);
  });

  canvas.addEventListener("pointerup", (event) => {
    down.delete(event.pointerId);
    if (!start) return;
    const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
    start = null;
    if (Math.abs(dx) > SWIPE && Math.abs(dx) > 2 * Math.abs(dy)) step(dx < 0 ? 1 : -1);
  });
  canvas.addEventListener("pointercancel", (event) => {
    down.delete(event.pointerId);
    start = null; // the browser scrolls the page
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
}

/** Return the distance between two pointers. */
function spread(pointers) {
  const [one, other] = [...pointers.values()];
  return other ? Math.hypot(one.x - other.x, one.y - other.y) : 0;
}
