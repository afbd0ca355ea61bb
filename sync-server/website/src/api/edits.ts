// Edits of one document on their way: shown at once, sent one after the other, and reconciled with what the relay
// answers. Without a network they wait in this window and go when it is back, each with its own idempotency key, so
// that none is done twice.

import type { QueryClient } from "@tanstack/react-query";

import { REMOVED, valueAt, withValue, type Json, type NewValue, type Path } from "../document/json.ts";
import { patchOf, type Patch } from "../document/patch.ts";
import { rebased } from "../document/rebase.ts";
import { relay } from "./client.ts";
import { documentQuery, type Document, type DocumentPlace, type Version } from "./document.ts";
import { isAfter } from "./position.ts";
import { asProblem, problemOf, type Problem } from "./problem.ts";

export interface PendingEdit {
  /** Also the idempotency key. */
  id: string;
  path: Path;
  value: NewValue;
  patch: Patch;
  etag: string;
  state: "sending" | "waiting" | "failed";
  problem: Problem | null;
}

/** Sends one edit. Null: it is durable, and cannot be shown yet. */
export type Send = (edit: PendingEdit) => Promise<Version | null>;

const retrySecondsMax = 30;

/** The edits of one document. What is listed is what was not taken in yet, the oldest first. */
export class Edits {
  private list: readonly PendingEdit[] = [];
  private running: Promise<void> | null = null;
  /** How often in a row nobody could be reached. */
  private failures = 0;
  private readonly listeners = new Set<() => void>();
  /** Edits that the relay may have heard of: a request that is repeated with its key has to be the same. */
  private readonly sent = new Set<string>();

  constructor(
    private readonly send: Send,
    private readonly take: (version: Version) => void,
    private readonly newId: () => string = () => crypto.randomUUID(),
    private readonly later: (run: () => void, seconds: number) => void = (run, seconds) =>
      setTimeout(run, seconds * 1000),
  ) {}

  readonly pending = (): readonly PendingEdit[] => this.list;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Puts `value` at `path`, as seen in `base`. An edit of the same field that failed before is replaced. */
  put(base: Version, path: Path, value: NewValue): string {
    return this.add(path, value, patchOf(base.document.value as Json, path, value), base.etag);
  }

  /** Sends a patch that is of no one field. */
  apply(base: Version, patch: Patch): string {
    return this.add([], null, patch, base.etag);
  }

  retry(id: string, etag: string): void {
    // What was refused is forgotten by the relay, so the key may be used again.
    this.change(this.list.map((edit) => (edit.id === id ? { ...edit, etag, state: "sending", problem: null } : edit)));
    void this.run();
  }

  discard(id: string): void {
    this.sent.delete(id);
    this.change(this.list.filter((edit) => edit.id !== id));
  }

  /** Goes on with what waits for a network. */
  resume(): void {
    void this.run();
  }

  /** Resolves when nothing is on its way: everything was taken in, has failed, or waits. */
  settled(): Promise<void> {
    return this.running ?? Promise.resolve();
  }

  private add(path: Path, value: NewValue, patch: Patch, etag: string): string {
    const id = this.newId();
    const edit: PendingEdit = { id, path, value, patch, etag, state: "sending", problem: null };
    const isReplaced = (old: PendingEdit): boolean => old.state === "failed" && nameOf(old) === nameOf(edit);
    this.change([...this.list.filter((old) => !isReplaced(old)), edit]);
    void this.run();
    return id;
  }

  private run(): Promise<void> {
    this.running ??= this.sendAll().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async sendAll(): Promise<void> {
    for (;;) {
      const next = this.list.find((edit) => edit.state !== "failed");
      if (next === undefined) return;
      this.set(next.id, "sending", null);
      this.sent.add(next.id);
      try {
        const version = await this.send(next);
        // First the answer, then the edit away: in between nothing of it is ever missing.
        if (version !== null) this.take(version);
        if (version !== null) this.rebase(next, version);
        this.discard(next.id);
        this.failures = 0;
      } catch (error) {
        const problem = asProblem(error);
        this.set(next.id, problem.isTransient ? "waiting" : "failed", problem);
        if (problem.isTransient) {
          this.failures += 1;
          this.later(() => this.resume(), problem.retryAfterSeconds ?? Math.min(retrySecondsMax, 2 ** this.failures));
          return;
        }
      }
    }
  }

  /** What was queued of the same field behind `answered` was made of what that shows: it is made anew of the answer,
   *  for of the version before the relay would not see that a later edit takes an earlier one back. */
  private rebase(answered: PendingEdit, version: Version): void {
    const name = nameOf(answered);
    const document = version.document.value as Json;
    let base = answered.value;
    let theirs: NewValue = valueAt(document, answered.path) ?? REMOVED;
    this.change(
      this.list.map((edit) => {
        if (answered.path.length === 0 || nameOf(edit) !== name || this.sent.has(edit.id)) return edit;
        const value = rebased(base, edit.value, theirs === REMOVED ? undefined : theirs);
        [base, theirs] = [edit.value, value];
        return { ...edit, value, patch: patchOf(document, edit.path, value), etag: version.etag };
      }),
    );
  }

  private set(id: string, state: PendingEdit["state"], problem: Problem | null): void {
    this.change(this.list.map((edit) => (edit.id === id ? { ...edit, state, problem } : edit)));
  }

  private change(list: readonly PendingEdit[]): void {
    this.list = list;
    for (const listener of this.listeners) listener();
  }
}

/** Of the field that an edit is of. */
function nameOf({ path }: PendingEdit): string {
  return path.join("\0");
}

/** What a document looks like with the edits that are on their way. */
export function withEdits(value: Json, edits: readonly PendingEdit[]): Json {
  return edits.reduce(
    (shown, edit) =>
      edit.state === "failed" || edit.path.length === 0 ? shown : withValue(shown, edit.path, edit.value),
    value,
  );
}

/** One queue for each document and window: it outlives the page that shows the document. */
const queues = new Map<string, Edits>();

export function editsOfDocument(client: QueryClient, place: DocumentPlace): Edits {
  const key = `${place.space}/${place.document}`;
  let edits = queues.get(key);
  if (edits === undefined) {
    edits = new Edits(
      (edit) => sendPatch(place, edit),
      (version) => takeVersion(client, place, version),
    );
    queues.set(key, edits);
  }
  return edits;
}

/** Goes on with everything that waits, in all documents. */
export function resumeEdits(): void {
  for (const edits of queues.values()) edits.resume();
}

export function hasUnsavedEdits(): boolean {
  return [...queues.values()].some((edits) => edits.pending().some((edit) => edit.state !== "failed"));
}

async function sendPatch(place: DocumentPlace, edit: PendingEdit): Promise<Version | null> {
  const { data, error, response } = await relay.PATCH("/api/v1/spaces/{space}/documents/{document}", {
    params: { path: place, header: { "If-Match": edit.etag, "Idempotency-Key": `"${edit.id}"` } },
    headers: { "content-type": edit.patch.type },
    body: edit.patch.body as never,
    bodySerializer: (body: unknown) => JSON.stringify(body),
  });
  if (!response.ok) throw problemOf(error, response);
  if (response.status === 202 || data === undefined) return null;
  return { document: data as Document, etag: response.headers.get("etag") ?? "*" };
}

/** Shows an answer, unless something newer is there already. */
export function takeVersion(client: QueryClient, place: DocumentPlace, version: Version): void {
  client.setQueryData<Version>(documentQuery(place).queryKey, (known) =>
    known && isAfter(known.document.position, version.document.position) ? known : version,
  );
}
