import { expect, test } from "vitest";

import { merged, newestPosition, type DocumentItem } from "./documents.ts";
import { Refresher } from "./live.ts";
import { isAfter } from "./position.ts";
import { told } from "./presence.ts";
import { StreamParser } from "./stream.ts";

test("hints that come while a space is read lead to one more read, not to one each", async () => {
  const reads: string[] = [];
  let finish = (): void => undefined;
  const refresher = new Refresher((space) => {
    reads.push(space);
    return new Promise((resolve) => (finish = resolve));
  });
  refresher.hint("a");
  refresher.hint("a");
  refresher.hint("a");
  expect(reads).toEqual(["a"]);
  finish();
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  expect(reads).toEqual(["a", "a"]);
  refresher.hint("b");
  expect(reads).toEqual(["a", "a", "b"]);
});

test("what changed is put into the list: replaced, added, taken out", () => {
  const known = [item("a", 1), item("b", 2), item("c", 3)];
  const changed = [item("b", 5), { ...item("c", 4), deleted: true }, item("d", 6)];
  const list = merged(known, changed);
  expect(list.map(({ id, position }) => [id, position])).toEqual([
    ["a", "e:1"],
    ["b", "e:5"],
    ["d", "e:6"],
  ]);
  expect(newestPosition(list)).toBe("e:6");
  expect(newestPosition([])).toBeNull();
});

test("positions are compared as numbers, and only within an epoch", () => {
  expect(isAfter("e:10", "e:9")).toBe(true);
  expect(isAfter("e:9", "e:10")).toBe(false);
  expect(isAfter("f:10", "e:9")).toBe(false);
});

test("events are read whatever the pieces are in which they come", () => {
  const stream = 'event: hint\nid: e:1\ndata: {"a":\ndata: 1}\n\n: comment\n\ndata: last\r\n\r\n';
  for (let size = 1; size < stream.length; size += 1) {
    const parser = new StreamParser();
    const events = (stream.match(new RegExp(`[^]{1,${String(size)}}`, "g")) ?? []).flatMap((piece) =>
      parser.push(piece),
    );
    expect(events).toEqual([
      { event: "hint", id: "e:1", data: '{"a":\n1}' },
      { event: "message", id: "e:1", data: "last" },
    ]);
  }
});

test("who is there follows from one event to the next", () => {
  const [ada, grace] = ["ada", "grace"].map((device) => ({ account: "x", device, content: null }));
  if (!ada || !grace) throw new Error("two devices");
  expect(told([grace], "present", { device: "me", others: [ada] })).toEqual([ada]);
  expect(told([ada], "shown", grace)).toEqual([ada, grace]);
  expect(told([ada, grace], "gone", ada)).toEqual([grace]);
});

function item(id: string, position: number): DocumentItem {
  return { id, space: "s", type: "note", title: id, position: `e:${String(position)}`, deleted: false, held: null };
}
