/** Prediction of files, and the list of their slices. */

import * as api from "./api.js";
import { grouped } from "./order.js";

let most = Infinity; // bytes; smallest request that was refused for its size

const IN_PARTS = [413, 415, 422]; // statuses of a group that is too large, or of which no file can be read
const TOO_LARGE = ["not_the_service", "request_too_large"];

const bytesOf = (group) => group.reduce((sum, one) => sum + one.file.size, 0);

async function halved(group, plane) {
  const middle = Math.ceil(group.length / 2);
  return [...(await answered(group.slice(0, middle), plane)), ...(await answered(group.slice(middle), plane))];
}

/** Return the results for a group of files, slice by slice; a group that is refused is halved, so that each file gets its own. */
export async function answered(group, plane) {
  if (group.length > 1 && bytesOf(group) >= most) return halved(group, plane);
  const sources = new Map(group.map((one) => [one.name, one]));
  const source = (path) => sources.get(path) ?? group.find((one) => path.startsWith(`${one.name}/`)) ?? group[0];
  try {
    const found = await api.predict(group, { plane });
    const items = [
      ...found.predictions.map((one) => ({ path: one.path, frame: one.frame, prediction: one, source: source(one.path), plane })),
      ...found.errors.map((one) => ({ path: one.path, frame: one.frame, error: one.error, code: one.code, source: source(one.path), plane })),
    ];
    const of = grouped(items, (item) => item.source);
    return items.map((item) => ({ ...item, siblings: of.get(item.source).length }));
  } catch (error) {
    if (group.length > 1 && IN_PARTS.includes(error.status)) {
      if (error.status === 413 && TOO_LARGE.includes(error.code)) most = Math.min(most, bytesOf(group));
      return halved(group, plane);
    }
    return group.map((one) => ({ path: one.name, frame: null, error: error.message, code: error.code, source: one, plane, siblings: 1 }));
  }
}
