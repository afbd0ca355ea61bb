// JSON values: reaching into them, putting something into a copy, and JSON Pointers as names of places.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Path = readonly string[];

/** In place of a value: the field is to be removed. */
export const REMOVED = Symbol("removed");
export type NewValue = Json | typeof REMOVED;

export function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function valueAt(value: Json | undefined, path: Path): Json | undefined {
  let here: Json | undefined = value;
  for (const key of path) {
    if (Array.isArray(here)) here = here[Number(key)];
    else if (isObject(here) && Object.hasOwn(here, key)) here = here[key];
    else return undefined;
  }
  return here;
}

/** A copy of `value` with `next` at `path`; objects on the way are made where there are none. */
export function withValue(value: Json | undefined, path: Path, next: NewValue): Json {
  const [key, ...rest] = path;
  if (key === undefined) return next === REMOVED ? null : next;
  if (Array.isArray(value))
    return value.map((item, index) => (String(index) === key ? withValue(item, rest, next) : item));
  const object = isObject(value) ? value : {};
  if (rest.length === 0 && next === REMOVED) {
    return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
  }
  if (next === REMOVED && !Object.hasOwn(object, key)) return object;
  return { ...object, [key]: withValue(object[key], rest, next) };
}

export function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => isEqual(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]));
}

export function pointer(path: Path): string {
  return path.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

export function parsePointer(text: string): string[] {
  if (text === "") return [];
  return text
    .slice(1)
    .split("/")
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** A value as a person reads it in one line. */
export function inOneLine(value: Json | undefined): string {
  return value === undefined ? "" : JSON.stringify(value);
}

/** The same text for equal values, in whatever order their keys are. */
export function inOneOrder(value: Json): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
