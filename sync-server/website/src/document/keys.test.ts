import { expect, test } from "vitest";

import { chordOf, normalKeys, type Pressed } from "./keys.ts";

test.each([
  ["ctrl+k ctrl+c", "ctrl+k ctrl+c"],
  ["  Shift+CTRL+K   ctrl+C ", "ctrl+shift+k ctrl+c"],
  ["ctrl + shift + k", "ctrl+shift+k"],
  ["Control+Option+Esc", "ctrl+alt+escape"],
  ["win+e", "cmd+e"],
  ["meta+alt+ArrowUp", "alt+cmd+up"],
  ["ctrl++", "ctrl++"],
  ["+", "+"],
  ["ctrl+- f2", "ctrl+- f2"],
  ["numpad_add", "numpad_add"],
  ["", null],
  ["ctrl", null],
  ["ctrl+", null],
  ["k+c", null],
  ["ctrl+ctrl+k", null],
  ["ctrl+k shift", null],
])("the keys %j are spelt %j", (entered, keys) => {
  expect(normalKeys(entered)).toBe(keys);
});

test.each<[string, Partial<Pressed>, string | null]>([
  ["a letter", { key: "K", code: "KeyK", ctrlKey: true, shiftKey: true }, "ctrl+shift+k"],
  ["a letter where another keyboard has it", { key: "a", code: "KeyQ", ctrlKey: true }, "ctrl+a"],
  ["a letter of another script", { key: "л", code: "KeyK", ctrlKey: true }, "ctrl+k"],
  ["a letter that Alt makes another of", { key: "å", code: "KeyA", altKey: true }, "alt+a"],
  ["a digit with Shift", { key: "!", code: "Digit1", shiftKey: true }, "shift+1"],
  ["a sign with Shift", { key: "{", code: "BracketLeft", ctrlKey: true, shiftKey: true }, "ctrl+shift+["],
  ["a key with a name", { key: "ArrowUp", code: "ArrowUp", altKey: true, metaKey: true }, "alt+cmd+up"],
  ["the space bar", { key: " ", code: "Space", ctrlKey: true }, "ctrl+space"],
  ["a function key", { key: "F2", code: "F2" }, "f2"],
  ["a key of the number pad", { key: "4", code: "Numpad4" }, "numpad4"],
  ["modifiers alone", { key: "Shift", code: "ShiftLeft", shiftKey: true, ctrlKey: true }, null],
])("%s is a chord", (_, pressed, chord) => {
  const none = { ctrlKey: false, shiftKey: false, altKey: false, metaKey: false };
  const event = { key: "", code: "", ...none, ...pressed };
  expect(chordOf(event)).toBe(chord);
  if (chord !== null) expect(normalKeys(chord)).toBe(chord);
});
