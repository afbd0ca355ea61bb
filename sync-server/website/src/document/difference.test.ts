import { expect, test } from "vitest";

import { differences, lineDifference } from "./difference.ts";

test("fields that differ are named by their path", () => {
  const before = { base: { a: 1, b: { c: 2 }, gone: true }, same: [1, { x: 2 }] };
  const after = { base: { a: 2, b: { c: 2, d: 3 } }, same: [1, { x: 2 }], fresh: null };
  expect(differences(before, after)).toEqual([
    { path: ["base", "a"], before: 1, after: 2 },
    { path: ["base", "b", "d"], before: undefined, after: 3 },
    { path: ["base", "gone"], before: true, after: undefined },
    { path: ["fresh"], before: undefined, after: null },
  ]);
  expect(differences(before, structuredClone(before))).toEqual([]);
});

test("an object that came or went is shown by its fields, and an empty one as it is", () => {
  expect(differences({}, { linux: { x: 1 } })).toEqual([{ path: ["linux", "x"], before: undefined, after: 1 }]);
  expect(differences({ linux: { x: 1 } }, {})).toEqual([{ path: ["linux", "x"], before: 1, after: undefined }]);
  expect(differences({}, { linux: {} })).toEqual([{ path: ["linux"], before: undefined, after: {} }]);
  expect(differences({ a: { b: 1 } }, { a: 2 })).toEqual([{ path: ["a"], before: { b: 1 }, after: 2 }]);
});

test.each([
  ["a\nb\nc", "a\nx\nc", [" a", "-b", "+x", " c"]],
  ["a", "a\nb", [" a", "+b"]],
  ["a\nb\na\nb", "b\na\nb\nc", ["-a", " b", " a", " b", "+c"]],
  ["", "a", ["-", "+a"]],
])("%j and %j differ in these lines", (before, after, lines) => {
  const signs = { same: " ", added: "+", removed: "-" };
  expect(lineDifference(before, after).map(({ kind, text }) => signs[kind] + text)).toEqual(lines);
});

test("texts that are too long to be compared are shown one after the other", () => {
  const text = (letter: string): string => Array.from({ length: 2_100 }, (_, line) => letter + String(line)).join("\n");
  const lines = lineDifference(text("a"), text("b"));
  expect(lines).toHaveLength(4_200);
  expect(lines[0]?.kind).toBe("removed");
  expect(lines.at(-1)?.kind).toBe("added");
});
