// Settings as a table of keys: one line for each key of a layer, with what the base layer says where it differs.

import { isEqual, isObject, valueAt, type Json, type Path } from "./json.ts";
import { fieldAt, type Layer, type Schema } from "./schema.ts";

export interface Setting {
  /** From the root of the document. */
  path: Path;
  /** `[rust]` for keys of a language, else null. */
  language: string | null;
  key: string;
  value: Json | undefined;
  /** What holds without this layer: the base layer's value, else the default of the schema. */
  fallback: Json | undefined;
  state: SettingState;
  schema: Schema | null;
}

/** `set`: written in this layer. `overrides`: and the base says otherwise. `inherited`: only the base has it. */
export type SettingState = "set" | "overrides" | "inherited" | "default";

export function settingsOf(root: Schema, document: Json, layer: Layer, base: Layer): Setting[] {
  const own = leaves(valueAt(document, layer.path));
  const below =
    layer.path.join("/") === base.path.join("/") ? new Map<string, Leaf>() : leaves(valueAt(document, base.path));
  const declared = new Map(
    Object.keys(fieldAt(root, layer.path)?.properties ?? {}).map((key) => [key, { path: [key], value: undefined }]),
  );
  const names = new Set([...own.keys(), ...below.keys(), ...declared.keys()]);
  return [...names]
    .map((name) => {
      const leaf = own.get(name) ?? below.get(name) ?? declared.get(name);
      const path = [...layer.path, ...(leaf?.path ?? [])];
      const schema = fieldAt(root, path);
      const value = own.get(name)?.value;
      const fallback = below.get(name)?.value ?? schema?.default;
      return describe(path, leaf?.path ?? [], value, fallback, below.has(name), schema);
    })
    .sort((a, b) => (a.language ?? "").localeCompare(b.language ?? "") || a.key.localeCompare(b.key));
}

function describe(
  path: Path,
  leaf: Path,
  value: Json | undefined,
  fallback: Json | undefined,
  inBase: boolean,
  schema: Schema | null,
): Setting {
  const isLanguage = leaf.length === 2;
  const differs = inBase && !isEqual(value, fallback);
  const state = value === undefined ? (inBase ? "inherited" : "default") : differs ? "overrides" : "set";
  return {
    path,
    language: isLanguage ? (leaf[0] ?? null) : null,
    key: leaf[isLanguage ? 1 : 0] ?? "",
    value,
    fallback,
    state,
    schema,
  };
}

interface Leaf {
  path: Path;
  value: Json | undefined;
}

/** Keys of a layer; a language such as `[rust]` is opened, every other object is one value to edit. */
function leaves(layer: Json | undefined): Map<string, Leaf> {
  const found = new Map<string, Leaf>();
  for (const [key, value] of Object.entries(isObject(layer) ? layer : {})) {
    if (isLanguage(key) && isObject(value)) {
      for (const [inner, leaf] of Object.entries(value))
        found.set(`${key} ${inner}`, { path: [key, inner], value: leaf });
    } else {
      found.set(key, { path: [key], value });
    }
  }
  return found;
}

export function isLanguage(key: string): boolean {
  return key.startsWith("[") && key.endsWith("]");
}

/** Whether a setting is what somebody looks for: every word in its key, language or value. */
export function matches(setting: Setting, words: string): boolean {
  const text =
    `${setting.language ?? ""} ${setting.key} ${JSON.stringify(setting.value ?? setting.fallback ?? "")}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** The part of a key by which settings are grouped: `editor` of `editor.tabSize`. */
export function groupOf(setting: Setting): string {
  return setting.language ?? setting.key.split(".")[0] ?? "";
}
