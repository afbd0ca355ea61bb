// A keymap as a list of bindings, and what editing makes of it. A binding whose command begins with `-` is turned off:
// its keys do not run the command, not even where the editor binds them so by default.

import { isObject, valueAt, type Json } from "./json.ts";
import { normalKeys } from "./keys.ts";

export type Binding = Record<string, Json>;

/** Where the bindings are in the document. */
export const bindingsPath = ["bindings"] as const;

export function bindingsOf(document: Json): Binding[] {
  const bindings = valueAt(document, bindingsPath);
  return Array.isArray(bindings) ? bindings.filter(isObject) : [];
}

/** A text of a binding; other values, which only a broken writer leaves there, as JSON. */
export function textOf(binding: Binding, field: string): string {
  const value = binding[field];
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

export function isOff(binding: Binding): boolean {
  return textOf(binding, "command").startsWith("-");
}

/** The command without the sign that turns it off. */
export function commandOf(binding: Binding): string {
  return textOf(binding, "command").replace(/^-/, "");
}

export function turned(binding: Binding, state: "on" | "off"): Binding {
  return { ...binding, command: `${state === "off" ? "-" : ""}${commandOf(binding)}` };
}

/** A binding as a form has it. */
export interface Entered {
  key: string;
  command: string;
  when: string;
  /** Undefined: none. */
  args: Json | undefined;
}

/** `binding` with what was entered; what else is in it stays, as does its place and whether it is on. */
export function withEntered(binding: Binding | null, entered: Entered): Binding {
  const rest = Object.entries(binding ?? {}).filter(([field]) => field !== "when" && field !== "args");
  const sign = binding !== null && isOff(binding) && !entered.command.startsWith("-") ? "-" : "";
  return {
    ...Object.fromEntries(rest),
    key: normalKeys(entered.key) ?? entered.key.trim(),
    command: sign + entered.command.trim(),
    ...(entered.when.trim() === "" ? {} : { when: entered.when.trim() }),
    ...(entered.args === undefined ? {} : { args: entered.args }),
  };
}

/** The list with `binding` at `place`, taken away from `from` if it was there before. */
export function placed(bindings: readonly Binding[], from: number | null, binding: Binding, place: number): Binding[] {
  const rest = bindings.filter((_, index) => index !== from);
  return [...rest.slice(0, place), binding, ...rest.slice(place)];
}

/** For bindings that are never reached, the last of those that take their keys, which come later: under the same
 *  condition, or under none. Those that are turned off take nothing. */
export function shadowed(bindings: readonly Binding[]): Map<number, number> {
  const last = new Map<string, number>();
  const found = new Map<number, number>();
  for (const [index, binding] of [...bindings.entries()].reverse()) {
    if (isOff(binding)) continue;
    const when = textOf(binding, "when").trim().replaceAll(/\s+/g, " ");
    const key = textOf(binding, "key");
    const keys = normalKeys(key) ?? key;
    const later = [last.get(`${keys}\0`), last.get(`${keys}\0${when}`)].filter((other) => other !== undefined);
    if (later.length > 0) found.set(index, Math.max(...later));
    else last.set(`${keys}\0${when}`, index);
  }
  return found;
}

/** Whether a binding is what somebody looks for: every word in its keys, command, condition or values. */
export function isFound(binding: Binding, words: string): boolean {
  const text = `${textOf(binding, "key")} ${JSON.stringify(binding)}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
