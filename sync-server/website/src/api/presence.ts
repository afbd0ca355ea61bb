// Who is in a document: read from a stream of its own, which also makes this page one of those who are there.

import type { DocumentPlace } from "./document.ts";
import { asProblem } from "./problem.ts";
import { readStream } from "./stream.ts";
import type { Schemas } from "./client.ts";

export type Other = Schemas["Other"];

/** Two pages must not have one name: it is drawn when the page is loaded. */
const page = crypto.randomUUID();

const retryMilliseconds = 5_000;

/** Tells who is there, from now on until it is stopped. */
export function followPresence(place: DocumentPlace, tell: (others: readonly Other[]) => void): () => void {
  const abort = new AbortController();
  void keepReading(place, tell, abort.signal);
  return () => {
    abort.abort();
    tell([]);
  };
}

async function keepReading(
  place: DocumentPlace,
  tell: (others: readonly Other[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const url = `/api/v1/spaces/${place.space}/documents/${place.document}/presence?page=${page}`;
  while (!hasStopped(signal)) {
    let others: readonly Other[] = [];
    try {
      for await (const { event, data } of readStream(url, null, signal)) {
        others = told(others, event, JSON.parse(data) as never);
        tell(others);
      }
    } catch (error) {
      // Whatever the relay refuses it refuses again; who is there is a courtesy, and the page says what is wrong.
      if (asProblem(error).status >= 400 && !asProblem(error).isTransient) return;
    }
    if (hasStopped(signal)) return;
    tell([]);
    await new Promise((resolve) => setTimeout(resolve, retryMilliseconds));
  }
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
