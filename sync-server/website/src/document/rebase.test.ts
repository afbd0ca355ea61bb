import { expect, test } from "vitest";

import { REMOVED } from "./json.ts";
import { rebased } from "./rebase.ts";

test.each<[string, string, string, string, string]>([
  ["nothing of others", "abc", "acb", "abc", "acb"],
  ["an item put, and another one", "abc", "axbc", "abyc", "axbyc"],
  ["an item put first, and another one last", "ab", "xab", "aby", "xaby"],
  ["an item taken out, and another one", "abc", "ac", "ab", "a"],
  ["an item changed, and another one moved", "abcd", "axcd", "dabc", "daxc"],
  ["an item moved, and another one put", "abcd", "bcda", "abxcd", "bxcda"],
  ["an item moved up, and its new neighbour taken out", "abcd", "adbc", "bcd", "bcd"],
  ["both take the same out", "abc", "ac", "ac", "ac"],
  ["the same back again", "ab", "a", "ab", "a"],
])("of a list: %s", (_, base, mine, theirs, both) => {
  const items = (letters: string) => Array.from(letters, (key) => ({ key }));
  const letters = (list: unknown): string => (list as { key: string }[]).map(({ key }) => key).join("");
  expect(letters(rebased(items(base), items(mine), items(theirs)))).toBe(both);
});

test("an item is the same in whatever order its keys are", () => {
  const [mine, theirs] = [
    { key: "a", command: "b" },
    { command: "b", key: "a" },
  ];
  const other = { key: "c", command: "d" };
  expect(rebased([mine, other], [other, mine], [theirs, other, other])).toEqual([other, mine, other]);
});

test("texts, objects and single values are made anew each in its way", () => {
  expect(rebased("one", "one two", "zero one")).toBe("zero one two");
  expect(rebased({ a: 1, b: 1 }, { a: 2 }, { a: 1, b: 1, c: 1 })).toEqual({ a: 2, c: 1 });
  expect(rebased(1, 2, 3)).toBe(2);
  expect(rebased(1, REMOVED, 3)).toBe(REMOVED);
  expect(rebased(REMOVED, 1, undefined)).toBe(1);
});
