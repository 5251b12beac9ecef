// Returns the answer to one item. `signal` ends the waiting, not the validation.
export async function validate(item, { api, token, ruleset, signal }) {
  const call = (path, { headers, ...rest } = {}) =>
    fetch(api + path, {
      ...rest,
      signal,
      headers: { Authorization: `Bearer ${token}`, ...headers },
    });
  const sent = {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      // One for all tries, so that the item is judged once.
      "Idempotency-Key": crypto.randomUUID(),
      Prefer: "wait=20",
    },
    body: JSON.stringify({ ruleset, item, source: "extension" }),
  };
  let reply = await patiently(() => call("/api/validation/validate", sent), signal);
  const place = reply.headers.get("Location");
  // Accepted, and not done yet.
  while (reply.status === 202) {
    reply = await patiently(() => call(`${place}/result?wait=20`), signal);
  }
  const told = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(told.detail), { problem: told });
  return told;
}

// Tries again what may well work in a moment.
async function patiently(send, signal, tries = 5) {
  for (let left = tries - 1; ; left -= 1) {
    let pause = 1;
    try {
      const reply = await send();
      if (![409, 429, 503].includes(reply.status) || left === 0) return reply;
      pause = Number(reply.headers.get("Retry-After") ?? 1);
    } catch (error) {
      // No connection; or the caller has lost interest.
      if (signal?.aborted || left === 0) throw error;
    }
    await new Promise((go) => setTimeout(go, pause * 1000));
  }
}
