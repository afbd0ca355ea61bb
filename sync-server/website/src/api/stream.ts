// Server-sent events by fetch: unlike EventSource it says why a stream was refused, so that a session that ended is
// told from a network that is gone.

import { problemOf } from "./problem.ts";

export interface StreamEvent {
  event: string;
  id: string | null;
  data: string;
}

/** Reads one stream to its end. Throws a Problem if it is refused, TypeError if nobody is reached. */
export async function* readStream(
  url: string,
  lastId: string | null,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  const response = await fetch(url, {
    headers: { accept: "text/event-stream", ...(lastId === null ? {} : { "last-event-id": lastId }) },
    cache: "no-store",
    signal,
  });
  if (!response.ok || response.body === null) throw problemOf(await response.json().catch(() => null), response);
  const parser = new StreamParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield* parser.push(value);
  }
}

/** Takes text as it comes, in pieces of any size, and gives the events that are complete. */
export class StreamParser {
  private rest = "";
  private event = "message";
  private id: string | null = null;
  private data: string[] = [];

  push(text: string): StreamEvent[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    const complete: StreamEvent[] = [];
    for (const line of lines) {
      if (line === "") {
        if (this.data.length > 0) complete.push({ event: this.event, id: this.id, data: this.data.join("\n") });
        this.event = "message";
        this.data = [];
      } else {
        this.take(line);
      }
    }
    return complete;
  }

  private take(line: string): void {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
  }
}
