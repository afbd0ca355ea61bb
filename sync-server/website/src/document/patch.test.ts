import { expect, test } from "vitest";

import { REMOVED, withValue, type Json } from "./json.ts";
import { listSteps, mergePatch, patchOf, patchTo, type Patch, type Step } from "./patch.ts";

const base: Json = { base: { "editor.tabSize": 4, "[rust]": { "editor.tabSize": 4 }, rulers: [80] } };

test.each<[string, string[], Json | typeof REMOVED, Patch]>([
  ["a value", ["base", "editor.tabSize"], 2, merge({ base: { "editor.tabSize": 2 } })],
  ["a key with a slash", ["base", "a/b"], 1, merge({ base: { "a/b": 1 } })],
  ["a removal", ["base", "editor.tabSize"], REMOVED, merge({ base: { "editor.tabSize": null } })],
  ["a layer that is new", ["platforms", "linux", "x"], true, merge({ platforms: { linux: { x: true } } })],
  [
    "an object, by what differs",
    ["base", "[rust]"],
    { a: 1 },
    merge({ base: { "[rust]": { "editor.tabSize": null, a: 1 } } }),
  ],
  ["an array, as one value", ["base", "rulers"], [80, null], merge({ base: { rulers: [80, null] } })],
  ["a null", ["base", "a/b"], null, steps([{ op: "add", path: "/base/a~1b", value: null }])],
  [
    "a null in a layer that is new",
    ["platforms", "linux", "x"],
    null,
    steps([
      { op: "add", path: "/platforms", value: {} },
      { op: "add", path: "/platforms/linux", value: {} },
      { op: "add", path: "/platforms/linux/x", value: null },
    ]),
  ],
])("a patch says %s", (_, path, value, patch) => {
  expect(patchOf(base, path, value)).toEqual(patch);
});

test("a merge patch turns one object into the other", () => {
  const before = { a: 1, b: { c: 2, d: 3 }, e: [1] };
  const after = { a: 1, b: { c: 4 }, f: { g: 5 } };
  expect(mergePatch(before, after)).toEqual({ b: { c: 4, d: null }, e: null, f: { g: 5 } });
  expect(mergePatch(before, before)).toEqual({});
});

test("a way back to a version with a null is a JSON patch, for a merge patch would remove the field", () => {
  expect(patchTo({ a: 1, b: 2 }, { a: null })).toEqual(
    steps([
      { op: "remove", path: "/b" },
      { op: "add", path: "/a", value: null },
    ]),
  );
  expect(patchTo({ a: 1, b: 2 }, { a: 3 })).toEqual(merge({ a: 3, b: null }));
});

test("a value is put into a copy", () => {
  expect(withValue(base, ["base", "editor.tabSize"], REMOVED)).toEqual({
    base: { "[rust]": { "editor.tabSize": 4 }, rulers: [80] },
  });
  expect(withValue({ list: [{ a: 1 }, { a: 2 }] }, ["list", "1", "a"], 3)).toEqual({ list: [{ a: 1 }, { a: 3 }] });
  expect(withValue({ a: 1 }, ["b", "c"], REMOVED)).toEqual({ a: 1 });
  expect(base).toHaveProperty(["base", "editor.tabSize"], 4);
});

test.each<[string, string, string, string]>([
  ["put", "abc", "axbc", "add 1"],
  ["put at the end", "abc", "abcx", "add 3"],
  ["taken out", "abc", "ac", "remove 1"],
  ["changed", "abc", "axc", "replace 1"],
  ["moved down", "abcd", "acdb", "move 1 3"],
  ["moved up", "abcd", "cabd", "move 2 0"],
  ["changed beside another", "abcd", "axyd", "replace 1, replace 2"],
  ["taken out with its neighbour", "abcd", "ad", "remove 2, remove 1"],
  ["left alone", "abc", "abc", ""],
  ["put first of all", "", "a", "add 0"],
  ["one of several that are alike", "aab", "aaab", "add 2"],
])("an item of a list is %s", (_, before, after, words) => {
  const [old, now] = [items(before), items(after)];
  const steps = listSteps(["bindings"], old, now);
  const index = (path: string): string => path.split("/")[2] ?? "";
  const said = steps.map((step) => [step.op, ...(step.op === "move" ? [index(step.from)] : []), index(step.path)]);
  expect(said.map((words) => words.join(" ")).join(", ")).toBe(words);
  expect(applied(old, steps)).toEqual(now);
});

test("a list is patched item by item, and sent whole where that takes too many steps", () => {
  const [old, now] = [items("abc"), items("abxc")];
  expect(patchOf({ bindings: old }, ["bindings"], now)).toEqual(
    steps([{ op: "add", path: "/bindings/2", value: { key: "x" } }]),
  );
  expect(patchOf({}, ["bindings"], now)).toEqual(merge({ bindings: now }));
  const many = Array.from({ length: 1_001 }, (_, index) => ({ key: String(index) }));
  expect(patchOf({ bindings: [] }, ["bindings"], many)).toEqual(merge({ bindings: many }));
});

function items(letters: string): Json[] {
  return Array.from(letters, (key) => ({ key }));
}

/** What the relay does with the steps. */
function applied(list: readonly Json[], steps: readonly Step[]): Json[] {
  const result = [...list];
  const index = (path: string): number => Number(path.split("/")[2]);
  for (const step of steps) {
    if (step.op === "move") result.splice(index(step.path), 0, ...result.splice(index(step.from), 1));
    else if (step.op === "add") result.splice(index(step.path), 0, step.value);
    else result.splice(index(step.path), 1, ...(step.op === "replace" ? [step.value] : []));
  }
  return result;
}

function merge(body: Record<string, Json>): Patch {
  return { type: "application/merge-patch+json", body };
}

function steps(body: Extract<Patch, { type: "application/json-patch+json" }>["body"]): Patch {
  return { type: "application/json-patch+json", body };
}
