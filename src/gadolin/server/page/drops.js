/** Files of a drop or a folder, each once and with a unique name. */

const NOT_READ = "The browser could not read it. Was it moved, or is reading it not allowed?";

/** Add the files of an entry to ``out``; what cannot be read has an ``error`` instead of content, and the rest is read. */
async function inside(entry, path, out) {
  try {
    await read(entry, path, out);
  } catch {
    out.push({ file: new File([], entry.name), name: path + entry.name, error: NOT_READ });
  }
}

async function read(entry, path, out) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    out.push({ file, name: path + entry.name });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await inside(each, `${path}${entry.name}/`, out);
  }
}

/** Return the files of a drop, also those in folders. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const out = [];
  for (const entry of entries) await inside(entry, "", out);
  return out;
}

export const chosen = (input) =>
  [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));

const hidden = (name) => name.split("/").some((part) => part.startsWith("."));

const PART = 2 ** 18; // bytes that are compared at a time

/** Whether two files of one size have the same content; a file that was changed on disk since its drop cannot be read. */
async function same(one, other) {
  if (one === other) return true;
  try {
    return await equal(one, other);
  } catch {
    return false;
  }
}

async function equal(one, other) {
  for (let at = 0; at < one.size; at += PART) {
    const [a, b] = await Promise.all([one, other].map(async (file) => new Uint8Array(await file.slice(at, at + PART).arrayBuffer())));
    if (a.some((value, place) => value !== b[place])) return false;
  }
  return true;
}

const ESCAPED = /%(22|0D|0A)/gi; // how browsers write quotes and line ends in forms: as part of a name, it would be changed

/** The files that the page has, by name and size. */
export class Taken {
  constructor() {
    this.names = new Set();
    this.files = new Map();
    this.added = [];
  }

  clear() {
    this.names.clear();
    this.files.clear();
    this.added = [];
  }

  /** Whether an earlier drop had a file of this name, plane and content, from whatever folder. */
  async has({ file, name }, plane) {
    for (const known of this.files.get(keyOf(file, name, plane)) ?? []) if (await same(known, file)) return true;
    return false;
  }

  /** Return the new files, without hidden ones and with unique names, and the number of those that were there already. */
  async fresh(files, plane) {
    const open = files.filter(({ name }) => !hidden(name));
    const left = [];
    for (const one of open) if (!(await this.has(one, plane))) left.push(one);
    const added = left.map((one) => ({ ...one, name: this.unique(one.name.replace(ESCAPED, "_$1")) }));
    left.forEach(({ file, name }) => {
      const key = keyOf(file, name, plane);
      this.files.set(key, [...(this.files.get(key) ?? []), file]);
    });
    this.added.push(...added);
    return { added, known: open.length - left.length };
  }

  unique(name) {
    let free = name;
    for (let number = 2; this.names.has(free); number += 1) free = `${name} (${number})`;
    this.names.add(free);
    return free;
  }
}

const keyOf = (file, name, plane) => `${plane}|${file.size}|${name.split("/").pop()}`;

const MOST_FILES = 100;
const MOST_BYTES = 48 * 2 ** 20;

/** Divide files into groups, one per request. */
export function groups(files) {
  const out = [];
  let [group, size] = [[], 0];
  for (const one of files) {
    if (group.length && (group.length >= MOST_FILES || size + one.file.size > MOST_BYTES)) {
      out.push(group);
      [group, size] = [[], 0];
    }
    group.push(one);
    size += one.file.size;
  }
  if (group.length) out.push(group);
  return out;
}
