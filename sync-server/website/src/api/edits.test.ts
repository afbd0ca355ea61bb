import { expect, test } from "vitest";

import type { Json } from "../document/json.ts";
import type { Version } from "./document.ts";
import { Edits, withEdits, type PendingEdit } from "./edits.ts";
import { Problem } from "./problem.ts";

const base = versionOf({ a: 1 }, 1);

test("an edit is shown at once, and stays shown until the answer that has it was taken in", async () => {
  const relay = new Relay();
  const seen: Json[] = [];
  relay.edits.subscribe(() => seen.push(relay.shown()));
  relay.edits.put(base, ["a"], 2);
  expect(relay.shown()).toEqual({ a: 2 });
  await relay.edits.settled();
  expect(relay.shown()).toEqual({ a: 2 });
  expect(relay.edits.pending()).toEqual([]);
  expect(seen).not.toContainEqual({ a: 1 });
});

test("edits are sent one after the other, each with a key of its own", async () => {
  const relay = new Relay();
  relay.edits.put(base, ["a"], 2);
  relay.edits.put(base, ["b"], 3);
  await relay.edits.settled();
  expect(relay.sent).toEqual(["key-1", "key-2"]);
  expect(relay.shown()).toEqual({ a: 2, b: 3 });
});

test("without a network edits wait, stay shown, and go with the same keys when it is back", async () => {
  const relay = new Relay();
  relay.failure = new Problem("unreachable", "", "");
  relay.edits.put(base, ["a"], 2);
  await relay.edits.settled();
  expect(relay.edits.pending().map(({ state }) => state)).toEqual(["waiting"]);
  expect(relay.shown()).toEqual({ a: 2 });
  relay.failure = null;
  relay.edits.resume();
  await relay.edits.settled();
  expect(relay.sent).toEqual(["key-1", "key-1"]);
  expect(relay.edits.pending()).toEqual([]);
});

test("a refused edit is not shown any more, says why, and does not hold up others", async () => {
  const relay = new Relay();
  relay.failure = new Problem("document_invalid", "", "", 422);
  relay.edits.put(base, ["a"], -1);
  await relay.edits.settled();
  expect(relay.shown()).toEqual({ a: 1 });
  expect(relay.edits.pending()).toMatchObject([{ state: "failed", problem: { code: "document_invalid" } }]);
  relay.failure = null;
  relay.edits.put(base, ["b"], 3);
  await relay.edits.settled();
  expect(relay.shown()).toEqual({ a: 1, b: 3 });
  relay.edits.put(base, ["a"], 4);
  await relay.edits.settled();
  expect(relay.edits.pending()).toEqual([]);
  expect(relay.shown()).toEqual({ a: 4, b: 3 });
});

test("an edit that takes back one which is on its way is made of the answer to that", async () => {
  const relay = new Relay();
  relay.edits.put(base, ["a"], 2);
  relay.edits.put(base, ["a"], 1);
  await relay.edits.settled();
  expect(relay.etags).toEqual(['"1"', '"2"']);
  expect(relay.shown()).toEqual({ a: 1 });
});

test("edits of a list that queue up keep what others put in it meanwhile", async () => {
  const relay = new Relay();
  const list = versionOf({ list: [{ a: 1 }] }, 1);
  relay.others = { list: [{ a: 0 }, { a: 1 }, { a: 2 }] };
  relay.edits.put(list, ["list"], [{ a: 1 }, { a: 2 }]);
  relay.edits.put(list, ["list"], [{ a: 1 }]);
  relay.edits.put(list, ["list"], [{ a: 1 }, { a: 3 }]);
  await relay.edits.settled();
  expect(relay.shown()).toEqual({ list: [{ a: 0 }, { a: 1 }, { a: 3 }] });
});

test("an edit that the relay may have heard of is sent again as it was", async () => {
  const relay = new Relay();
  relay.failure = new Problem("unreachable", "", "");
  relay.edits.put(base, ["a"], 2);
  await relay.edits.settled();
  relay.edits.put(base, ["a"], 3);
  await relay.edits.settled();
  relay.failure = null;
  relay.edits.resume();
  await relay.edits.settled();
  expect(relay.sent).toEqual(["key-1", "key-1", "key-1", "key-2"]);
  expect(relay.etags).toEqual(['"1"', '"1"', '"1"', '"4"']);
  expect(relay.shown()).toEqual({ a: 3 });
});

/** Answers every edit with the document after it, unless `failure` is set. */
class Relay {
  failure: Problem | null = null;
  /** What the document is once the next edit was answered, in place of that edit alone. */
  others: Json | null = null;
  readonly sent: string[] = [];
  readonly etags: string[] = [];
  private current = base;
  private keys = 0;
  readonly edits = new Edits(
    (edit) => this.answer(edit),
    (version) => {
      this.current = version;
    },
    () => `key-${String((this.keys += 1))}`,
    () => undefined,
  );

  shown(): Json {
    return withEdits(this.current.document.value as Json, this.edits.pending());
  }

  private answer(edit: PendingEdit): Promise<Version> {
    this.sent.push(edit.id);
    this.etags.push(edit.etag);
    if (this.failure) return Promise.reject(this.failure);
    const value = this.others ?? withEdits(this.current.document.value as Json, [edit]);
    this.others = null;
    return Promise.resolve(versionOf(value, this.sent.length + 1));
  }
}

function versionOf(value: Json, position: number): Version {
  const document = {
    id: "d",
    space: "s",
    type: "settings",
    title: null,
    held: null,
    heads: [],
    position: `e:${String(position)}`,
    value,
  };
  return { document, etag: `"${String(position)}"` };
}
