import { expect, test } from "vitest";

import { REMOVED, withValue, type Json } from "./json.ts";
import { mergePatch, patchOf, patchTo, type Patch } from "./patch.ts";

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

function merge(body: Record<string, Json>): Patch {
  return { type: "application/merge-patch+json", body };
}

function steps(body: Extract<Patch, { type: "application/json-patch+json" }>["body"]): Patch {
  return { type: "application/json-patch+json", body };
}
