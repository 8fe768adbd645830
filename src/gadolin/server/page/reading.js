/** Prediction of files: the list of their slices, and the files that are left out. */

import * as api from "./api.js";
import { grouped } from "./order.js";

let most = Infinity; // bytes; smallest request that was refused for its size

const IN_PARTS = [413, 415, 422]; // statuses of a group that is too large, or of which no file can be read
const TOO_LARGE = ["not_the_service", "request_too_large"];

/** Codes of files in which the service finds no slice to classify. */
const NO_SLICE = ["accompanying_object", "complex_component", "derived_map", "dicomdir", "label_map", "localiser", "no_files", "statistic_map", "vector_field"];
const SLICE_NAME = /\.(bmp|dcm|jpe?g|mat|nii|nii\.gz|png|tiff?|webp)$/i;
const LETTERS = /\.\w*[a-z]\w*$/i; // an empty file without a suffix or with a numeric one may have been a DICOM file

/** Whether a file of a folder that is refused alone is one that the service leaves out beside others. */
function isOmitted({ name }, { code }) {
  const other = (code === "unknown_format" || (code === "empty_file" && LETTERS.test(name))) && !SLICE_NAME.test(name);
  return name.includes("/") && (other || NO_SLICE.includes(code));
}

const WORDS = { no_files: "housekeeping", unknown_format: "other format" };

/** Return how many files were left out and why, such as "2 files left out (localiser, other format)"; "" if none was. */
export function omission(codes) {
  const reasons = [...new Set(codes.map((code) => WORDS[code] ?? code.split("_").join(" ")))];
  return codes.length ? `${codes.length} file${codes.length === 1 ? "" : "s"} left out (${reasons.join(", ")})` : "";
}

const bytesOf = (group) => group.reduce((sum, one) => sum + one.file.size, 0);

async function halved(group, plane) {
  const middle = Math.ceil(group.length / 2);
  const [one, other] = [await asked(group.slice(0, middle), plane), await asked(group.slice(middle), plane)];
  return { items: [...one.items, ...other.items], omitted: [...one.omitted, ...other.omitted] };
}

const unreadable = (one, plane, { message, code }) => ({ path: one.name, frame: null, error: message, code, source: one, plane, siblings: 1 });

/** Return the results for a group of files: ``items``, slice by slice, and ``omitted``, the codes of the files that are left out. */
export async function answered(group, plane) {
  const found = await asked(group.filter((one) => !one.error), plane);
  const lost = group.filter((one) => one.error).map((one) => unreadable(one, plane, { message: one.error, code: "not_sent" }));
  return { ...found, items: [...found.items, ...lost] };
}

/** Ask the service; a group that is refused is halved, so that each file gets its own answer. */
async function asked(group, plane) {
  if (!group.length) return { items: [], omitted: [] };
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
    return {
      items: items.map((item) => ({ ...item, siblings: of.get(item.source).length })),
      omitted: found.left_out.map((one) => one.code),
    };
  } catch (error) {
    if (group.length > 1 && IN_PARTS.includes(error.status)) {
      if (error.status === 413 && TOO_LARGE.includes(error.code)) most = Math.min(most, bytesOf(group));
      return halved(group, plane);
    }
    if (group.length === 1 && isOmitted(group[0], error)) return { items: [], omitted: [error.code] };
    return { items: group.map((one) => unreadable(one, plane, error)), omitted: [] };
  }
}
