/** Names of classes for readers; the API and CSV keep the labels of the model. */

const WITHOUT_LESION = new Set(["notumor", "no", "none", "healthy", "normal", "notumour", "nontumor", "nontumour", "notumors"]);

export const className = (label) => (WITHOUT_LESION.has(label.toLowerCase().replace(/[\s_-]/g, "")) ? "no tumour" : label);
