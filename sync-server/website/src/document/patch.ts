// Turns what was edited into the request that says it: a merge patch, or a JSON patch where a null is to be stored,
// which a merge patch cannot say.

import { isEqual, isObject, pointer, REMOVED, valueAt, type Json, type NewValue, type Path } from "./json.ts";

export type Patch =
  | { type: "application/merge-patch+json"; body: Record<string, Json> }
  | { type: "application/json-patch+json"; body: Step[] };

type Step = { op: "add"; path: string; value: Json } | { op: "remove"; path: string };

/** Puts `next` at `path` of a document whose value is `base`. */
export function patchOf(base: Json, path: Path, next: NewValue): Patch {
  if (next !== REMOVED && hasNull(next)) return { type: "application/json-patch+json", body: steps(base, path, next) };
  const before = valueAt(base, path);
  const leaf = next === REMOVED ? null : isObject(next) && isObject(before) ? mergePatch(before, next) : next;
  return { type: "application/merge-patch+json", body: nested(path, leaf) as Record<string, Json> };
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

function hasNull(value: Json): boolean {
  if (value === null) return true;
  if (Array.isArray(value)) return false; // An array is one value: nulls in it are no removals.
  return isObject(value) && Object.values(value).some(hasNull);
}
