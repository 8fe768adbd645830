/** Names of classes and verdicts for readers; the API and CSV keep the labels of the model. */

const WITHOUT_LESION = new Set(["notumor", "no", "none", "healthy", "normal", "notumour", "nontumor", "nontumour", "notumors"]);

export const withoutLesion = (label) => WITHOUT_LESION.has(label.toLowerCase().replace(/[\s_-]/g, ""));

export const className = (label) => (withoutLesion(label) ? "no tumour" : label);

export const DECLINED = "declined";
export const SUSPECTED = "suspected"; // a tumour, whose kind is declined
export const UNREADABLE = "unreadable";

const KIND_DECLINED = ["kind_uncertain", "kind_not_validated"];

/** Return the verdict on an item: a class, SUSPECTED, DECLINED or UNREADABLE. */
export function verdictOf(item) {
  if (item.error) return UNREADABLE;
  const { label, reason_code: code } = item.prediction;
  return label ?? (KIND_DECLINED.includes(code) ? SUSPECTED : DECLINED);
}

const NAMES = { [SUSPECTED]: "tumour suspected", [DECLINED]: DECLINED, [UNREADABLE]: UNREADABLE };

export const verdictName = (verdict) => NAMES[verdict] ?? className(verdict);

/** Return what a map of an item speaks for; the kind of a tumour that is only suspected is not named. */
export const subjectOf = (item, map) => (isNamed(item) ? className(map.class) : "the most probable kind");

/** Return the calibrated probability of a tumour of any kind, or null if the model gives none. */
export const tumourOf = (item) => item?.prediction?.p_tumour ?? null;

/** Return the colour of a verdict; only a named class has one. */
export function colourOf(verdict, classes) {
  const place = classes.indexOf(verdict);
  return place < 0 ? `var(--${verdict})` : `var(--c${place % 4})`;
}

/** Whether a class is predicted, so that its evidence and its colour may be shown. */
export const isNamed = (item) => Boolean(item && !item.error && item.prediction.label);

export const isSuspected = (item) => Boolean(item && verdictOf(item) === SUSPECTED);
