// Turns what was edited into the request that says it: a merge patch, or a JSON patch for what that cannot say, which
// is a null that is to be stored, and for lists, of which a merge patch would have to send the whole.

import { isEqual, isObject, pointer, REMOVED, valueAt, type Json, type NewValue, type Path } from "./json.ts";

export type Patch =
  | { type: "application/merge-patch+json"; body: Record<string, Json> }
  | { type: "application/json-patch+json"; body: Step[] };

export type Step =
  | { op: "add" | "replace"; path: string; value: Json }
  | { op: "remove"; path: string }
  | { op: "move"; from: string; path: string };

/** The relay takes no more steps at once. */
const stepsMax = 1_000;

/** Puts `next` at `path` of a document whose value is `base`. */
export function patchOf(base: Json, path: Path, next: NewValue): Patch {
  if (next !== REMOVED && hasNull(next)) return { type: "application/json-patch+json", body: steps(base, path, next) };
  const before = valueAt(base, path);
  if (isList(before) && isList(next)) {
    const body = listSteps(path, before, next);
    if (body.length <= stepsMax) return { type: "application/json-patch+json", body };
  }
  const leaf = next === REMOVED ? null : isObject(next) && isObject(before) ? mergePatch(before, next) : next;
  return { type: "application/merge-patch+json", body: nested(path, leaf) as Record<string, Json> };
}

/** The steps between two lists that differ in one place: an item put, taken out, changed or moved, or several there. */
export function listSteps(path: Path, before: readonly Json[], after: readonly Json[]): Step[] {
  let start = 0;
  while (start < before.length && start < after.length && isEqual(before[start], after[start])) start += 1;
  let same = 0;
  const restMax = Math.min(before.length, after.length) - start;
  while (same < restMax && isEqual(before[before.length - 1 - same], after[after.length - 1 - same])) same += 1;
  const old = before.slice(start, before.length - same);
  const now = after.slice(start, after.length - same);
  const at = (index: number): string => pointer([...path, String(start + index)]);
  const last = old.length - 1;
  if (last > 0 && old.length === now.length) {
    const [isDown, isUp] = [
      isEqual([...old.slice(1), ...old.slice(0, 1)], now),
      isEqual(old, [...now.slice(1), ...now.slice(0, 1)]),
    ];
    if (isDown) return [{ op: "move", from: at(0), path: at(last) }];
    if (isUp) return [{ op: "move", from: at(last), path: at(0) }];
  }
  const steps: Step[] = [];
  for (let index = last; index >= now.length; index -= 1) steps.push({ op: "remove", path: at(index) });
  now.forEach((value, index) => {
    if (index > last) steps.push({ op: "add", path: at(index), value });
    else if (!isEqual(old[index], value)) steps.push({ op: "replace", path: at(index), value });
  });
  return steps;
}

/** Makes a document equal to `next`, as far as a merge patch can say it; used to go back to a version. */
export function patchTo(base: Json, next: Json): Patch {
  if (!hasNull(next)) {
    const body = isObject(base) && isObject(next) ? mergePatch(base, next) : (next as Record<string, Json>);
    return { type: "application/merge-patch+json", body };
  }
  const body: Step[] = [];
  const before = isObject(base) ? base : {};
  const after = isObject(next) ? next : {};
  for (const key of Object.keys(before))
    if (!Object.hasOwn(after, key)) body.push({ op: "remove", path: pointer([key]) });
  for (const [key, value] of Object.entries(after)) {
    if (!isEqual(before[key], value)) body.push({ op: "add", path: pointer([key]), value });
  }
  return { type: "application/json-patch+json", body };
}

/** RFC 7396: what turns `base` into `next`. */
export function mergePatch(base: Record<string, Json>, next: Record<string, Json>): Record<string, Json> {
  const patch: Record<string, Json> = {};
  for (const key of Object.keys(base)) if (!Object.hasOwn(next, key)) patch[key] = null;
  for (const [key, value] of Object.entries(next)) {
    const before = Object.hasOwn(base, key) ? base[key] : undefined;
    if (isEqual(before, value)) continue;
    patch[key] = isObject(before) && isObject(value) ? mergePatch(before, value) : value;
  }
  return patch;
}

function nested(path: Path, leaf: Json): Json {
  return path.reduceRight<Json>((inner, key) => ({ [key]: inner }), leaf);
}

function steps(base: Json, path: Path, value: Json): Step[] {
  const made: Step[] = [];
  for (let length = 1; length < path.length; length += 1) {
    const parent = path.slice(0, length);
    if (!isObject(valueAt(base, parent))) made.push({ op: "add", path: pointer(parent), value: {} });
  }
  return [...made, { op: "add", path: pointer(path), value }];
}

/** A list of items; an array of anything else is one value. */
function isList(value: NewValue | undefined): value is Record<string, Json>[] {
  return Array.isArray(value) && value.every(isObject);
}

function hasNull(value: Json): boolean {
  if (value === null) return true;
  if (Array.isArray(value)) return false; // An array is one value: nulls in it are no removals.
  return isObject(value) && Object.values(value).some(hasNull);
}
