import { expect, test } from "vitest";

import { movedCaret, rebased } from "./typing.ts";

test.each([
  ["nothing typed", "one two", "one two", "one more two", "one more two"],
  ["nothing arrived", "one two", "one two!", "one two", "one two!"],
  ["typed in front of what arrived", "one two", "zero one two", "one two three", "zero one two three"],
  ["typed behind what arrived", "one two", "one two three", "zero one two", "zero one two three"],
  ["typed where something was removed elsewhere", "one two three", "one two three!", "two three", "two three!"],
  ["both at one place: both stay", "ab", "aXb", "aYb", "aYXb"],
])("%s", (_, base, mine, theirs, merged) => {
  expect(rebased(base, mine, theirs)).toBe(merged);
});

test("words of others are never lost, wherever one types", () => {
  const base = "one two three";
  const theirs = "one TWO two three";
  for (let place = 0; place <= base.length; place += 1) {
    const mine = `${base.slice(0, place)}#${base.slice(place)}`;
    const merged = rebased(base, mine, theirs);
    expect(merged.replace("#", ""), `typed at ${String(place)}`).toBe(theirs);
    expect(merged).toContain("#");
  }
});

test("the caret stays among its letters", () => {
  expect(movedCaret("one two", "zero one two", 4)).toBe(9);
  expect(movedCaret("one two", "one two three", 4)).toBe(4);
  expect(movedCaret("one XX three", "one three", 6)).toBe(4);
});
