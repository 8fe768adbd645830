/** What the service is asked, and what its answers hold. */

/** An answer that is a problem: its detail is a sentence for people. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function answered(promise) {
  let response;
  try {
    response = await promise;
  } catch {
    throw new Problem(0, "The service does not answer. Is it still running?");
  }
  if (response.ok) return response;
  let detail = `The service answered ${response.status}.`;
  try {
    detail = (await response.json()).detail ?? detail;
  } catch { /* no problem details: the status has to do */ }
  throw new Problem(response.status, detail);
}

function form(files, fields) {
  const body = new FormData();
  for (const { file, name } of files) body.append("files", file, name);
  for (const [key, value] of Object.entries(fields)) if (value !== null && value !== undefined) body.append(key, value);
  return body;
}

export const model = async () => (await answered(fetch("/v1/model"))).json();

export async function phantom(label, seed, series) {
  const query = new URLSearchParams({ label, seed, series });
  return (await answered(fetch(`/v1/phantom?${query}`))).blob();
}

export async function predict(files, fields = {}) {
  return (await answered(fetch("/v1/predict", { method: "POST", body: form(files, fields) }))).json();
}

/**
 * Begin an explanation and wait for it.
 * @param {{file: Blob, name: string}} file
 * @param {(share: number) => void} progress
 * @param {AbortSignal} signal gives it up
 */
export async function explain(file, fields, progress, signal) {
  const body = form([file], { kind: "explain", ...fields });
  let job = await (await answered(fetch("/v1/jobs", { method: "POST", body }))).json();
  const give_up = () => fetch(`/v1/jobs/${job.id}`, { method: "DELETE" });
  while (job.status === "queued" || job.status === "running") {
    await new Promise((resolve) => setTimeout(resolve, 250));
    if (signal.aborted) {
      await give_up();
      throw new Problem(0, "cancelled");
    }
    job = await (await answered(fetch(`/v1/jobs/${job.id}`))).json();
    progress(job.progress.done / Math.max(job.progress.total, 1));
  }
  give_up();
  if (job.status !== "done") throw new Problem(job.problem?.status ?? 0, job.problem?.detail ?? "It was cancelled.");
  return job.result;
}

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) out[i] = raw.charCodeAt(i);
  return out;
}

/** A picture's levels (0 to 65535, row by row) beside what they stand for. */
export function picture(told) {
  return { ...told, levels: new Uint16Array(bytes(told.data).buffer) };
}

/** Heat from -127 to 127, row by row. */
export function heat(told) {
  return { ...told, values: new Int8Array(bytes(told.data).buffer) };
}
