/** Pictures and evidence of slices: fetched on demand, with a limit on the number kept. */

import * as api from "./api.js";
import { grouped } from "./order.js";
import { small } from "./thumbs.js";

const MOST_KEPT = 60;
const MOST_PIXELS = 2 ** 24; // of all kept pictures
export const MOST_AT_ONCE = 64; // pictures per response of the service
const INCLUDE = { include: "picture,evidence" };

function decoded(answer) {
  return { picture: api.picture(answer.picture), maps: { evidence: api.heat(answer.evidence) } };
}

const pixels = (items) => items.reduce((sum, { picture }) => sum + (picture ? picture.width * picture.height : 0), 0);

export class Pictures {
  constructor() {
    this.kept = [];
  }

  forget() {
    this.kept.length = 0;
  }

  /** Add picture, evidence and thumbnail to an item, and drop the pictures that were added first if too many are kept. */
  async show(item, current) {
    if (item.picture) return;
    Object.assign(item, await one(item));
    item.thumb ??= small(item.picture);
    this.kept.push(item);
    while (this.kept.length > 1 && (this.kept.length > MOST_KEPT || pixels(this.kept) > MOST_PIXELS)) {
      const place = this.kept[0] === current() ? 1 : 0;
      Object.assign(this.kept.splice(place, 1)[0], { picture: null, maps: null });
    }
  }
}

async function one(item) {
  const fields = { ...INCLUDE, frame: item.frame, only: item.path, plane: item.plane };
  const [answer] = (await api.predict([item.source], fields)).predictions;
  return decoded(answer);
}

/** Call ``each`` with every item and its picture and evidence; a source with few slices needs one request. */
export async function every(items, each) {
  for (const [source, group] of grouped(items, (item) => item.source)) {
    if (group.length === 1 || group[0].siblings > MOST_AT_ONCE) {
      for (const item of group) if (!(await each(item, item.picture ? item : await one(item)))) return;
      continue;
    }
    const answers = (await api.predict([source], { ...INCLUDE, plane: group[0].plane })).predictions;
    for (const item of group) {
      const found = answers.find((answer) => answer.path === item.path && answer.frame === item.frame);
      if (!(await each(item, decoded(found)))) return;
    }
  }
}
