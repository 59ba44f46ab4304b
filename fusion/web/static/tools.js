// What all parts of the page use.
export const byId = (id) => document.getElementById(id);

/** Ask the server; what it refuses is an error in its own words. */
export async function ask(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  const answer = await fetch(path, options);
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || `the server answered ${answer.status}`);
  return told;
}

/** Put words somewhere; only where they changed, so that no screen reader says them twice. */
export function say(element, words, kind = "") {
  if (element.textContent !== words) element.textContent = words;
  if (element.dataset.kind !== kind) element.dataset.kind = kind;
}
