/** Files of a drop or a folder, with unique names. */

async function inside(entry, path, out) {
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

/** Remove hidden files, and make names unique. */
export function named(files, taken) {
  const out = [];
  for (const { file, name } of files) {
    if (hidden(name)) continue;
    let unique = name;
    for (let number = 2; taken.has(unique); number += 1) unique = `${name} (${number})`;
    taken.add(unique);
    out.push({ file, name: unique });
  }
  return out;
}

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
