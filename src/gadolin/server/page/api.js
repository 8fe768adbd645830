/** Requests to the service, and their responses. */

/** A problem of the service: a code for programs and a message for people. */
export class Problem extends Error {
  constructor(status, detail, code = "") {
    super(detail);
    Object.assign(this, { status, code });
  }
}

const ROOT = new URL("../", import.meta.url); // a reverse proxy can serve it below any path
const at = (path) => new URL(path, ROOT);

/** Messages for responses of a reverse proxy, which have no code. */
const BEFORE = {
  401: "The reverse proxy requires a login. Reload this page.",
  403: "The reverse proxy does not allow this request.",
  404: "The reverse proxy does not find the service. Does it forward the whole path?",
  413: "The reverse proxy refuses uploads of this size. Its administrator can raise the limit (nginx: client_max_body_size).",
  502: "The reverse proxy cannot reach the service. Is it still running?",
  503: "The service is overloaded, or the reverse proxy cannot reach it. Try again in a moment.",
  504: "The reverse proxy did not wait for the service. Its administrator can raise the timeout (nginx: proxy_read_timeout).",
};

async function contentOf(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

async function answered(promise) {
  let response;
  try {
    response = await promise;
  } catch {
    throw new Problem(0, "The service does not respond. Is it still running?", "no_answer");
  }
  if (response.ok) return response;
  const problem = await contentOf(response);
  if (problem?.code) throw new Problem(response.status, problem.detail, problem.code);
  throw new Problem(response.status, BEFORE[response.status] ?? `The service responded with status ${response.status}.`, "not_the_service");
}

async function documentOf(promise) {
  const response = await answered(promise);
  const found = await contentOf(response);
  if (found === null) throw new Problem(response.status, "Another server responded instead of the service. Reload this page.", "not_the_service");
  return found;
}

const RETRY = 2000; // milliseconds
const BUSY = 429;
const MOST_REFUSALS = 30; // a minute

/**
 * Whether the service responds; ``watch`` is called with true when it is lost and with false when it is back,
 * ``used`` with the model of each answer before the answer is returned.
 */
export const connection = { lost: false, watch: () => {}, used: async () => {}, back: null };

/** Return whether the service, or a reverse proxy that wants a login, responds. */
async function alive() {
  try {
    return (await fetch(at("health"))).status < 500;
  } catch {
    return false;
  }
}

/** Wait until the service responds again. */
async function restored() {
  connection.lost = true;
  connection.watch(true);
  while (!(await alive())) await new Promise((resolve) => setTimeout(resolve, RETRY));
  Object.assign(connection, { lost: false, back: null });
  connection.watch(false);
}

function lost() {
  connection.back ??= restored();
  return connection.back;
}

/** Make a request; while the service does not respond, and for a while if it is busy, wait and make it again. */
async function persistent(start) {
  for (let failed = 0, refused = 0; ; ) {
    try {
      return await start();
    } catch (error) {
      if (error.status === BUSY && refused < MOST_REFUSALS) {
        refused += 1;
        await new Promise((resolve) => setTimeout(resolve, RETRY));
        continue;
      }
      if (error.code !== "no_answer") throw error;
    }
    if (!(await alive())) await lost();
    else if ((failed += 1) > 1) throw new Problem(0, "The browser could not send the file. Was it moved or changed since it was dropped?", "not_sent");
  }
}

/** Notice a lost service between requests, too. */
export async function heartbeat() {
  if (!connection.lost && !document.hidden && !(await alive())) await lost();
}

function form(files, fields) {
  const body = new FormData();
  for (const { file, name } of files) body.append("files", file, name);
  for (const [key, value] of Object.entries(fields)) if (value !== null && value !== undefined) body.append(key, value);
  return body;
}

export const model = () => persistent(() => documentOf(fetch(at("v1/model"))));

/** Return the phantoms that are offered first. */
export const examples = () => persistent(() => documentOf(fetch(at("static/examples.json"))));

export async function phantom(label, seed, series) {
  const query = new URLSearchParams({ label, seed, series });
  return persistent(async () => (await answered(fetch(at(`v1/phantom?${query}`)))).blob());
}

/** Fewest seconds per slice of all requests but the first, from which the time of explanations is estimated. */
export const pace = { seconds: Infinity, requests: 0 };

export async function predict(files, fields = {}) {
  const begun = performance.now();
  const found = await persistent(() => documentOf(fetch(at("v1/predict"), { method: "POST", body: form(files, fields) })));
  const seconds = (performance.now() - begun) / 1000 / Math.max(found.predictions.length, 1);
  pace.requests += 1;
  if (pace.requests > 1) pace.seconds = Math.min(pace.seconds, seconds); // the first one waits for the service to warm up
  await connection.used(found.model);
  return found;
}

/**
 * Start an explanation and wait for its result.
 * @param {{file: Blob, name: string}} file
 * @param {(share: number) => void} progress
 * @param {AbortSignal} signal cancels it
 */
export async function explain(file, fields, progress, signal) {
  const body = form([file], { kind: "explain", ...fields });
  let job = await documentOf(fetch(at("v1/jobs"), { method: "POST", body }));
  const cancel = () => fetch(at(`v1/jobs/${job.id}`), { method: "DELETE" });
  while (job.status === "queued" || job.status === "running") {
    await new Promise((resolve) => setTimeout(resolve, 250));
    if (signal.aborted) {
      await cancel();
      throw new Problem(0, "The explanation was cancelled.", "cancelled");
    }
    job = await persistent(() => documentOf(fetch(at(`v1/jobs/${job.id}`))));
    progress(job.progress.done / Math.max(job.progress.total, 1));
  }
  cancel();
  if (job.status !== "done") throw new Problem(job.problem?.status ?? 0, job.problem?.detail ?? "The explanation was cancelled.", job.problem?.code ?? "cancelled");
  await connection.used(job.result.model);
  return job.result;
}

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) out[i] = raw.charCodeAt(i);
  return out;
}

/** Return a picture with its levels (0 to 65535, row by row). */
export function picture(content) {
  return { ...content, levels: new Uint16Array(bytes(content.data).buffer) };
}

/** Return a heat map with its values (-127 to 127, row by row). */
export function heat(content) {
  return { ...content, values: new Int8Array(bytes(content.data).buffer) };
}
