// Makes an edit anew on what others have written: `mine` was made of `base`, which has become `theirs`.

import { inOneOrder, isEqual, isObject, REMOVED, withValue, type Json, type NewValue } from "./json.ts";
import { listSteps } from "./patch.ts";
import { rebased as rebasedText } from "./typing.ts";

export function rebased(base: NewValue | undefined, mine: NewValue, theirs: Json | undefined): NewValue {
  if (base === undefined || base === REMOVED || mine === REMOVED || theirs === undefined) return mine;
  if (isEqual(base, theirs)) return mine;
  if (isEqual(base, mine)) return theirs;
  if (typeof base === "string" && typeof mine === "string" && typeof theirs === "string") {
    return rebasedText(base, mine, theirs);
  }
  if (Array.isArray(base) && Array.isArray(mine) && Array.isArray(theirs)) return rebasedList(base, mine, theirs);
  if (isObject(base) && isObject(mine) && isObject(theirs)) return rebasedObject(base, mine, theirs);
  return mine;
}

function rebasedObject(base: Record<string, Json>, mine: Record<string, Json>, theirs: Record<string, Json>): Json {
  let result: Json = theirs;
  for (const key of new Set([...Object.keys(base), ...Object.keys(mine)])) {
    if (isEqual(base[key], mine[key])) continue;
    result = withValue(result, [key], rebased(base[key], mine[key] ?? REMOVED, theirs[key]));
  }
  return result;
}

/** What `mine` put or moved stands behind the same item as there; what it took out goes. */
function rebasedList(base: readonly Json[], mine: readonly Json[], theirs: readonly Json[]): Json[] {
  const [old, own] = [named(base), named(mine)];
  const [step, ...more] = listSteps([], base, mine);
  const moved = step?.op === "move" && more.length === 0 ? [...old.keys()][Number(step.from.slice(1))] : undefined;
  const isKept = (name: string): boolean => old.has(name) === own.has(name) && name !== moved;
  const result = [...named(theirs)].filter(([name]) => isKept(name));
  let before: string | null = null;
  for (const [name, item] of own) {
    if (!isKept(name)) {
      const at: number = before === null ? 0 : result.findIndex(([other]) => other === before) + 1;
      result.splice(before !== null && at === 0 ? result.length : at, 0, [name, item]);
    }
    before = name;
  }
  return result.map(([, item]) => item);
}

/** Items by what is in them, those that are alike numbered. */
export function named<T extends Json>(list: readonly T[]): Map<string, T> {
  const items = new Map<string, T>();
  for (const item of list) {
    const content = inOneOrder(item);
    let name = content;
    for (let count = 1; items.has(name); count += 1) name = `${content} ${String(count)}`;
    items.set(name, item);
  }
  return items;
}
