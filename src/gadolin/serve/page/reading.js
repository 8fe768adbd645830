/** Files asked about, and the slices that they turn out to hold. */

import * as api from "./api.js";

/** Return what was answered for a group of files, slice by slice. */
export async function answered(group, plane) {
  const sources = new Map(group.map((one) => [one.name, one]));
  const source = (path) => sources.get(path) ?? group.find((one) => path.startsWith(`${one.name}/`)) ?? group[0];
  try {
    const told = await api.predict(group, { plane });
    const items = [
      ...told.predictions.map((one) => ({ path: one.path, frame: one.frame, prediction: one, source: source(one.path), plane })),
      ...told.errors.map((one) => ({ path: one.path, frame: one.frame, error: one.error, source: source(one.path), plane })),
    ];
    const of = Map.groupBy(items, (item) => item.source);
    return items.map((item) => ({ ...item, siblings: of.get(item.source).length }));
  } catch (error) {
    return group.map((one) => ({ path: one.name, frame: null, error: error.message, source: one, plane, siblings: 1 }));
  }
}
