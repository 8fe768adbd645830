/** Names of classes and verdicts for readers; the API and CSV keep the labels of the model. */

const WITHOUT_LESION = new Set(["notumor", "no", "none", "healthy", "normal", "notumour", "nontumor", "nontumour", "notumors"]);

export const withoutLesion = (label) => WITHOUT_LESION.has(label.toLowerCase().replace(/[\s_-]/g, ""));

export const className = (label) => (withoutLesion(label) ? "no tumour" : label);

export const DECLINED = "declined";
export const UNREADABLE = "unreadable";

/** Return the verdict on an item: a class, DECLINED or UNREADABLE. */
export function verdictOf(item) {
  if (item.error) return UNREADABLE;
  return item.prediction.label ?? DECLINED;
}

export const verdictName = (verdict) => (verdict === DECLINED || verdict === UNREADABLE ? verdict : className(verdict));

/** Return the colour of a verdict; only a named class has one. */
export function colourOf(verdict, classes) {
  const place = classes.indexOf(verdict);
  return place < 0 ? `var(--${verdict})` : `var(--c${place % 4})`;
}

/** Whether a class is named, so that its evidence and its colour may be shown. */
export const isNamed = (item) => Boolean(item && !item.error && item.prediction.label);
