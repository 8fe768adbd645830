/** Pictures and evidence of slices: fetched when they are wanted, let go of when many others were. */

import * as api from "./api.js";

const MOST_KEPT = 60;
const MOST_AT_ONCE = 64; // pictures that the service sends at a time
const INCLUDE = { include: "picture,evidence" };

function seen(told) {
  return { picture: api.picture(told.picture), maps: { evidence: api.heat(told.evidence) } };
}

export class Pictures {
  constructor() {
    this.kept = [];
  }

  forget() {
    this.kept.length = 0;
  }

  /** Give an item its picture and evidence; those that were shown longest ago lose theirs. */
  async show(item, current) {
    if (item.picture) return;
    Object.assign(item, await one(item));
    this.kept.push(item);
    if (this.kept.length <= MOST_KEPT) return;
    const old = this.kept.shift();
    if (old !== current()) Object.assign(old, { picture: null, maps: null });
  }
}

async function one(item) {
  const fields = { ...INCLUDE, frame: item.frame, only: item.path, plane: item.plane };
  const [told] = (await api.predict([item.source], fields)).predictions;
  return seen(told);
}

/** Call ``each`` with every item and its picture and evidence; a source of few slices is asked once for all. */
export async function every(items, each) {
  const sources = Map.groupBy(items, (item) => item.source);
  for (const [source, wanted] of sources) {
    if (wanted.length === 1 || wanted[0].siblings > MOST_AT_ONCE) {
      for (const item of wanted) if (!(await each(item, item.picture ? item : await one(item)))) return;
      continue;
    }
    const told = (await api.predict([source], { ...INCLUDE, plane: wanted[0].plane })).predictions;
    for (const item of wanted) {
      const own = told.find((answer) => answer.path === item.path && answer.frame === item.frame);
      if (!(await each(item, seen(own)))) return;
    }
  }
}
