// Keys as keymaps spell them: `ctrl+shift+k ctrl+c` is one chord after the other, each with its modifiers in one order.

/** In the order in which they are written; the vault spells keymaps of other editors the same way. */
const modifiers = ["ctrl", "shift", "alt", "cmd"] as const;

/** Other words for the same keys. `win` and `meta` are the key that is called `cmd` here. */
const otherNames: Readonly<Record<string, string>> = {
  control: "ctrl",
  option: "alt",
  command: "cmd",
  meta: "cmd",
  super: "cmd",
  win: "cmd",
  esc: "escape",
  return: "enter",
  del: "delete",
  ins: "insert",
  " ": "space",
  arrowup: "up",
  arrowdown: "down",
  arrowleft: "left",
  arrowright: "right",
};

/** What was entered, spelt as keymaps are. Null: a chord lacks its key, or something stands there twice. */
export function normalKeys(entered: string): string | null {
  const words = entered
    .toLowerCase()
    .replaceAll(/\s*\+\s+(?=\S)|\s+\+\s*(?=[^\s+])/g, "+")
    .split(/\s+/)
    .filter(Boolean);
  const chords = words.map(normalChord);
  return chords.length > 0 && chords.every((chord) => chord !== null) ? chords.join(" ") : null;
}

function normalChord(word: string): string | null {
  // The key itself may be a plus.
  const parts = word === "+" ? ["+"] : word.endsWith("++") ? [...word.slice(0, -2).split("+"), "+"] : word.split("+");
  const [key, ...held] = parts.map((part) => otherNames[part] ?? part).reverse();
  if (key === undefined || key === "" || isModifier(key)) return null;
  if (!held.every(isModifier) || new Set(held).size < held.length) return null;
  return chord(key, held);
}

function chord(key: string, held: readonly string[]): string {
  return [...modifiers.filter((modifier) => held.includes(modifier)), key].join("+");
}

function isModifier(key: string): boolean {
  return (modifiers as readonly string[]).includes(key);
}

/** The part of a KeyboardEvent that says which keys are down. */
export type Pressed = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "shiftKey" | "altKey" | "metaKey">;

/** The chord that is pressed; null while there are only modifiers. */
export function chordOf(pressed: Pressed): string | null {
  const key = keyOf(pressed);
  if (key === null) return null;
  const { ctrlKey, shiftKey, altKey, metaKey } = pressed;
  const held = [ctrlKey && "ctrl", shiftKey && "shift", altKey && "alt", metaKey && "cmd"];
  return chord(
    key,
    held.filter((modifier) => modifier !== false),
  );
}

/** Keys that write another sign with Shift are called by the one without, wherever they are on the keyboard. */
const signs: Readonly<Record<string, string>> = {
  Backquote: "`",
  Minus: "-",
  Equal: "=",
  BracketLeft: "[",
  BracketRight: "]",
  Backslash: "\\",
  Semicolon: ";",
  Quote: "'",
  Comma: ",",
  Period: ".",
  Slash: "/",
  NumpadAdd: "numpad_add",
  NumpadSubtract: "numpad_subtract",
  NumpadMultiply: "numpad_multiply",
  NumpadDivide: "numpad_divide",
  NumpadDecimal: "numpad_decimal",
};

const withoutKey = ["Control", "Shift", "Alt", "AltGraph", "Meta", "CapsLock", "Fn", "Unidentified"];

function keyOf({ key, code }: Pressed): string | null {
  if (withoutKey.includes(key)) return null;
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  // A letter is the one that is printed on the key; a script without Latin letters falls back to the place of the key.
  if (letter !== undefined) return /^[a-z]$/i.test(key) ? key.toLowerCase() : letter.toLowerCase();
  const digit = /^(Digit|Numpad)(\d)$/.exec(code);
  if (digit) return `${digit[1] === "Numpad" ? "numpad" : ""}${digit[2] ?? ""}`;
  const name = (signs[code] ?? key).toLowerCase();
  return otherNames[name] ?? name;
}
