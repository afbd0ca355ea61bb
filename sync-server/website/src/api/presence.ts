// Who is in a document: read from a stream of its own, which also makes this page one of those who are there, and what
// the others are shown of it.

import { relay, type Schemas } from "./client.ts";
import type { DocumentPlace } from "./document.ts";
import { asProblem } from "./problem.ts";
import { readStream } from "./stream.ts";

export type Other = Schemas["Other"];

/** Two pages must not have one name: it is drawn when the page is loaded. */
const page = crypto.randomUUID();

const retryMilliseconds = 5_000;
/** What is shown counts for 30 seconds, and is shown again before they are over. */
const showAgainMilliseconds = 25_000;

/** What the others are shown of this page. A name is a claim: the account is the relay's word. */
export interface Shown {
  name: string;
}

/** Tells who is there, and is there, from now on until it is stopped. */
export function followPresence(
  place: DocumentPlace,
  shown: Shown,
  tell: (others: readonly Other[]) => void,
): () => void {
  const abort = new AbortController();
  void keepReading(place, shown, tell, abort.signal);
  return () => {
    abort.abort();
    tell([]);
  };
}

async function keepReading(
  place: DocumentPlace,
  shown: Shown,
  tell: (others: readonly Other[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const url = `/api/v1/spaces/${place.space}/documents/${place.document}/presence?page=${page}`;
  while (!hasStopped(signal)) {
    let others: readonly Other[] = [];
    let again: ReturnType<typeof setInterval> | undefined;
    try {
      for await (const { event, data } of readStream(url, null, signal)) {
        // A page is shown once its stream stands, and what an earlier stream showed is not kept for this one.
        if (again === undefined) {
          show(place, shown, signal);
          again = setInterval(() => show(place, shown, signal), showAgainMilliseconds);
        }
        others = told(others, event, JSON.parse(data) as never);
        tell(others);
      }
    } catch (error) {
      // Whatever the relay refuses it refuses again; who is there is a courtesy, and the page says what is wrong.
      if (asProblem(error).status >= 400 && !asProblem(error).isTransient) return;
    } finally {
      clearInterval(again);
    }
    if (hasStopped(signal)) return;
    tell([]);
    await new Promise((resolve) => setTimeout(resolve, retryMilliseconds));
  }
}

/** Nothing is taken back afterwards: whoever has no stream is shown no longer. */
function show(place: DocumentPlace, content: Shown, signal: AbortSignal): void {
  const path = "/api/v1/spaces/{space}/documents/{document}/presence";
  const answer = relay.PUT(path, { params: { path: place, query: { page } }, body: { content }, signal });
  // A courtesy as well: what did not arrive is shown again soon.
  answer.catch(() => undefined);
}

function hasStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Who is there after one more event. */
export function told(others: readonly Other[], event: string, data: Other | Schemas["Present"]): readonly Other[] {
  if ("others" in data) return data.others;
  const rest = others.filter(({ device }) => device !== data.device);
  return event === "shown" ? [...rest, data] : rest;
}
