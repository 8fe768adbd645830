/** The order of slices, and the series that they belong to. */

const collator = new Intl.Collator("en", { numeric: true });

/** Compare paths folder by folder, in natural order. */
export function byPath(one, other) {
  const [a, b] = [one.split("/"), other.split("/")];
  for (let place = 0; place < Math.min(a.length, b.length); place += 1) {
    const order = collator.compare(a[place], b[place]);
    if (order) return order;
  }
  return a.length - b.length;
}

/** Return a Map from keys to the items that have them; Map.groupBy is newer than some browsers. */
export function grouped(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (groups.has(key)) groups.get(key).push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Return the key of an item's series or volume, or "" if it belongs to none. */
export function seriesOf(item) {
  const series = item.prediction?.series;
  if (series) return `series ${series.key}`;
  return item.frame !== null && item.siblings > 1 ? `volume ${item.path}` : "";
}

const last = (value) => value ?? Infinity;

function inside(one, other) {
  const [a, b] = [one, other].map((item) => item.prediction?.series);
  if (a && b) {
    const planes = collator.compare(one.prediction.orientation ?? "", other.prediction.orientation ?? ""); // rarely several
    if (planes) return planes;
    const [here, there] = [last(a.position_mm), last(b.position_mm)];
    if (here !== there) return here - there;
    if ((a.instance ?? 0) !== (b.instance ?? 0)) return (a.instance ?? 0) - (b.instance ?? 0);
  }
  return byPath(one.path, other.path) || (one.frame ?? 0) - (other.frame ?? 0);
}

function between(one, other) {
  const [a, b] = [one.prediction?.series, other.prediction?.series];
  if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1) || byPath(one.path, other.path);
  const [here, there] = [last(a.number), last(b.number)];
  if (here !== there) return here - there;
  return collator.compare(a.description, b.description) || collator.compare(a.key, b.key);
}

/** Return items in order: series by number, each by plane and position, then other files by path. */
export function ordered(items) {
  const groups = grouped(items, (item) => seriesOf(item) || `${item.path} ${item.frame}`);
  const sorted = [...groups.values()].map((group) => group.sort(inside));
  return sorted.sort((one, other) => between(one[0], other[0])).flat();
}

const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function mostCommon(items) {
  const counts = [...grouped(items.filter((item) => item.prediction?.sequence), (item) => item.prediction.sequence)];
  return counts.sort((one, other) => other[1].length - one[1].length)[0]?.[0];
}

/** Return the series among items: [key, title], such as "301 · T1 AX +C · 24 slices · T1c". */
export function seriesAmong(items) {
  const groups = grouped(items.filter(seriesOf), seriesOf);
  return [...groups].map(([key, group]) => {
    const series = group[0].prediction?.series;
    const name = series ? [series.number, series.description] : [group[0].path.split("/").pop()];
    return [key, [...name, plural(group.length, "slice"), mostCommon(group)].filter((part) => part !== null && part !== undefined && part !== "").join(" · ")];
  });
}
