/** How good the model and its maps are, from the figures of its bundle. */

import { className, withoutLesion } from "./labels.js";

const FEW = 20; // outlined slices; fewer give no rate

const percent = (rate) => `${Math.round(100 * rate)} %`;

/** Return the reliability of a map of ``method`` in one sentence; ``model`` is the document of the service. */
export function trustText(model, method, map) {
  if (!map.values.some((value) => value)) return map.trust; // a map that is zero everywhere points nowhere
  const found = model.scores?.[method]?.[map.class];
  if (withoutLesion(map.class) || !model.scores) return map.trust;
  const name = className(map.class);
  if (!found || found.n < FEW) return `How often ${method} points at a ${name} was not measured well enough.`;
  const guess = model.scores.centre?.[map.class]?.pointing;
  const text = `On ${found.n} outlined slices predicted as ${name} the hottest point lay in the tumour in ${percent(found.pointing)}`;
  if (guess === undefined) return `${text}.`;
  return `${text}; guessing the centre: ${percent(guess)}${found.pointing <= guess ? ": do not trust this map" : ""}.`;
}

const MEASURED = {
  new_patients: ["On new patients", "a class is predicted"],
  other_hospitals: ["On other hospitals", "tumour or no tumour is answered"],
};

/** Return how good the model was found to be, in sentences; the validation slices only where nothing else is known. */
export function accuracies(metrics) {
  const sentences = Object.entries(MEASURED).filter(([key]) => metrics?.[key]).map(([key, [where, what]]) => {
    const { slices, answered, accuracy } = metrics[key];
    return `${where} ${what} for ${percent(answered / slices)} of ${slices} slices, ${percent(accuracy)} of these rightly.`;
  });
  const { accuracy, slices } = metrics?.validation ?? {};
  const validated = `${percent(accuracy)} of ${slices} validation slices, of patients kept out of training, are right.`;
  return sentences.length || accuracy === undefined ? sentences : [validated];
}

/** Return the rows of the model's card: [what, value]. */
export function card(model) {
  const maps = Object.entries(model.scores ?? {}).filter(([method]) => model.methods.some((one) => one.name === method && one.available));
  const rates = maps.map(([method, by]) => {
    const measured = Object.entries(by).filter(([name, one]) => !withoutLesion(name) && one.n >= FEW);
    const texts = measured.map(([name, one]) => `${className(name)} ${percent(one.pointing)} of ${one.n}`);
    return [`hottest point of ${method} in the tumour`, texts.join(", ") || "not measured well enough"];
  });
  return [
    ["model", model.model],
    ["classes", model.classes.map(className).join(", ")],
    ["accuracy", accuracies(model.metrics).join(" ") || "not stored in the bundle"],
    ["confidence threshold", model.confidence_threshold],
    ...rates,
    ["licence", model.licence || "not stated"],
  ];
}
