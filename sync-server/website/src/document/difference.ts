// What differs between two values, field by field; and between two texts, line by line.

import { isEqual, isObject, type Json, type Path } from "./json.ts";

export interface FieldDifference {
  path: Path;
  /** Undefined: the field is new. */
  before: Json | undefined;
  /** Undefined: the field is gone. */
  after: Json | undefined;
}

export function differences(before: Json | undefined, after: Json | undefined, path: Path = []): FieldDifference[] {
  if (isEqual(before, after)) return [];
  const [old, now] = [opened(before), opened(after)];
  const keys = new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})]);
  if (old === null || now === null || keys.size === 0) return [{ path, before, after }];
  return [...keys].flatMap((key) => differences(old[key], now[key], [...path, key]));
}

/** An object that came or went is shown by its fields. */
function opened(value: Json | undefined): Record<string, Json> | null {
  return value === undefined ? {} : isObject(value) ? value : null;
}

export interface Line {
  kind: "same" | "added" | "removed";
  text: string;
}

/** Texts with more lines than this are compared as a whole: the comparison costs the product of both. */
const comparedLinesMax = 2_000;

export function lineDifference(before: string, after: string): Line[] {
  const a = before.split("\n");
  const b = after.split("\n");
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const same = (text: string): Line => ({ kind: "same", text });
  return [
    ...a.slice(0, start).map(same),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map(same),
  ];
}

/** The longest common subsequence of what is between the equal beginning and the equal end. */
function middle(a: readonly string[], b: readonly string[]): Line[] {
  if (a.length > comparedLinesMax || b.length > comparedLinesMax) {
    return [...a.map((text): Line => ({ kind: "removed", text })), ...b.map((text): Line => ({ kind: "added", text }))];
  }
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      lines.push({ kind: "same", text: left });
      i += 1;
      j += 1;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: "removed", text: left });
      i += 1;
    } else {
      lines.push({ kind: "added", text: right ?? "" });
      j += 1;
    }
  }
  return lines;
}
