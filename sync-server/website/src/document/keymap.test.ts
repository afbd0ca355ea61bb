import { expect, test } from "vitest";

import {
  bindingsOf,
  commandOf,
  isFound,
  isOff,
  placed,
  shadowed,
  textOf,
  turned,
  withEntered,
  type Binding,
} from "./keymap.ts";

const bind = (key: string, command: string, when?: string): Binding => ({
  key,
  command,
  ...(when === undefined ? {} : { when }),
});

test("a binding is turned off by the sign that takes a default away, and on again", () => {
  const rename = bind("f2", "rename", "editorFocus");
  const off = turned(rename, "off");
  expect(off).toEqual(bind("f2", "-rename", "editorFocus"));
  expect([isOff(off), isOff(rename)]).toEqual([true, false]);
  expect(turned(off, "off")).toEqual(off);
  expect(turned(off, "on")).toEqual(rename);
  expect(commandOf(off)).toBe("rename");
});

test("what was entered takes the place of what it says, and nothing else", () => {
  const before = { ...bind("f2", "-rename", "a"), args: [1], mine: true };
  const entered = { key: " Ctrl+K ", command: "rename", when: " ", args: undefined };
  expect(withEntered(before, entered)).toEqual({ key: "ctrl+k", command: "-rename", mine: true });
  expect(withEntered(null, { ...entered, when: "b", args: null })).toEqual({
    key: "ctrl+k",
    command: "rename",
    when: "b",
    args: null,
  });
  expect(withEntered(null, { ...entered, command: "-rename" })["command"]).toBe("-rename");
});

test.each<[string, number | null, number, string]>([
  ["one up", 2, 1, "acb"],
  ["one down", 0, 1, "bac"],
  ["to the top", 2, 0, "cab"],
  ["to the end", 0, 2, "bca"],
  ["nowhere", 1, 1, "abc"],
])("a binding is moved %s", (_, from, place, order) => {
  const bindings = ["a", "b", "c"].map((key) => bind(key, "x"));
  const next = placed(bindings, from, bindings[from ?? 0] ?? {}, place);
  expect(next.map((binding) => textOf(binding, "key")).join("")).toBe(order);
});

test("a new binding takes any place", () => {
  const keys = (place: number): unknown[] =>
    placed([bind("a", "x")], null, bind("b", "x"), place).map(({ key }) => key);
  expect(keys(0)).toEqual(["b", "a"]);
  expect(keys(1)).toEqual(["a", "b"]);
});

test("a binding is never reached if the same keys come later, under the same condition or none", () => {
  const found = shadowed([
    bind("ctrl+k ctrl+c", "one"), // 0: other keys
    bind("f2", "two"), // 1
    bind("f2", "three"), // 2
    bind("f2", "-four"), // 3: off
    bind("ctrl+k", "five", "listFocus"), // 4: 6 has none
    bind("CTRL + K", "six", "editorFocus"), // 5: as 7
    bind("ctrl+k", "seven"), // 6: another condition
    bind("ctrl+k", "eight", "editorFocus"), // 7
  ]);
  expect([...found]).toEqual([
    [5, 7],
    [4, 6],
    [1, 2],
  ]);
});

test("bindings are found by all words, in whatever part", () => {
  const binding = { ...bind("ctrl+k ctrl+c", "editor.comment", "editorFocus"), args: { lines: 2 } };
  expect(isFound(binding, "")).toBe(true);
  expect(isFound(binding, "CTRL+K comment")).toBe(true);
  expect(isFound(binding, "lines focus")).toBe(true);
  expect(isFound(binding, "comment missing")).toBe(false);
});

test("what is no list of bindings has none", () => {
  expect(bindingsOf({})).toEqual([]);
  expect(bindingsOf({ bindings: {} })).toEqual([]);
  expect(bindingsOf({ bindings: [bind("a", "b"), 1] })).toEqual([bind("a", "b")]);
});
