// Keeps everything that is shown current: hints of the relay say that a space has moved, and what is shown of it is
// read anew. Nothing is asked for while nothing happens.
//
// A browser has six connections to an origin, whatever number of windows: the windows choose one among them, by a lock,
// that has the stream, and it tells the others.

import type { QueryClient } from "@tanstack/react-query";

import { asProblem } from "./problem.ts";
import { readStream } from "./stream.ts";

export type LiveState = "connecting" | "live" | "offline" | "ended";

export interface Hint {
  space: string;
  position: string;
}

type Told = { hint: Hint } | { state: LiveState } | { asks: true };

const retrySecondsMax = 30;

/** The connection as pages see it: its state, and whoever wants to hear of it. */
export class Live {
  private state: LiveState = "connecting";
  private readonly listeners = new Set<() => void>();

  readonly current = (): LiveState => this.state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  set(state: LiveState): void {
    if (this.state === state) return;
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

export const live = new Live();

/** Follows the spaces until `stop` is called. `onEnd` is told once if the session is over. */
export function follow(client: QueryClient, onEnd: () => void): () => void {
  const abort = new AbortController();
  const refresher = new Refresher((space) => refresh(client, space));
  const channel = new BroadcastChannel("symphony-vault-live");
  const take = (told: Told): void => {
    if ("hint" in told) refresher.hint(told.hint.space);
    else if ("state" in told) {
      live.set(told.state);
      if (told.state === "ended") onEnd();
    }
  };
  const tell = (told: Told): void => {
    take(told);
    channel.postMessage(told);
  };
  let leads = false;
  channel.onmessage = (message: MessageEvent<Told>) => {
    if ("asks" in message.data) {
      if (leads) channel.postMessage({ state: live.current() });
    } else take(message.data);
  };
  const lead = async (): Promise<void> => {
    leads = true;
    await keepReading(tell, abort.signal);
  };
  channel.postMessage({ asks: true });
  // Without a secure context there are no locks: then every window has a stream of its own.
  if ("locks" in navigator) {
    navigator.locks.request("symphony-vault-live", { signal: abort.signal }, lead).catch(() => undefined);
  } else void lead();
  return () => {
    abort.abort();
    channel.close();
  };
}

/** Reads the stream, again and again, until it is told to stop or the session is over. */
async function keepReading(tell: (told: Told) => void, signal: AbortSignal): Promise<void> {
  let lastId: string | null = null;
  let failures = 0;
  while (!hasStopped(signal)) {
    const cut = new AbortController();
    const lose = (): void => cut.abort();
    // A stream does not notice by itself that the network is gone; the browser does.
    addEventListener("offline", lose);
    try {
      for await (const event of readStream("/api/v1/events", lastId, AbortSignal.any([signal, cut.signal]))) {
        failures = 0;
        tell({ state: "live" });
        lastId = event.id ?? lastId;
        if (event.event === "hint") tell({ hint: JSON.parse(event.data) as Hint });
      }
      // A stream also ends when the relay stops or the session is revoked: the next attempt says which.
      failures += 1;
    } catch (error) {
      if (hasStopped(signal)) return;
      if (asProblem(error).status === 401) {
        tell({ state: "ended" });
        return;
      }
      failures += 1;
      tell({ state: "offline" });
    } finally {
      removeEventListener("offline", lose);
    }
    await pause(failures, signal);
  }
}

function hasStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Waits before the next attempt: longer each time, never quite the same, and not at all once the network is back. */
function pause(failures: number, signal: AbortSignal): Promise<void> {
  const seconds = Math.min(retrySecondsMax, 0.25 * 2 ** Math.min(failures, 8)) * (0.75 + Math.random() / 2);
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}

/** Reads what is shown of a space once more, and what is of all spaces. What is not shown is only marked as old. */
async function refresh(client: QueryClient, space: string): Promise<void> {
  await Promise.all([
    client.invalidateQueries({ queryKey: ["space", space] }),
    client.invalidateQueries({ queryKey: ["spaces"] }),
  ]);
}

/** Turns hints into reads: one at a time for each space, and one more if hints came meanwhile. */
export class Refresher {
  private readonly running = new Map<string, { again: boolean }>();

  constructor(private readonly refresh: (space: string) => Promise<void>) {}

  hint(space: string): void {
    const run = this.running.get(space);
    if (run) run.again = true;
    else void this.run(space);
  }

  private async run(space: string): Promise<void> {
    const run = { again: true };
    this.running.set(space, run);
    while (run.again) {
      run.again = false;
      // A read that fails is shown where it failed; the next hint, or the next stream, reads again.
      await this.refresh(space).catch(() => undefined);
    }
    this.running.delete(space);
  }
}
