// The document types of schemas/types, as pages need them: what a type is called, which fields it has, and what may be
// in them. Nothing about a type is written down a second time here.

import { isObject, type Json, type Path } from "./json.ts";

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  title?: string;
  description?: string;
  type?: string | string[];
  enum?: Json[];
  default?: Json;
  deprecated?: boolean;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  contentMediaType?: string;
  "x-type"?: string;
  "x-version"?: number;
  "x-merge"?: "register" | "text" | "counter" | "set" | "list" | "map" | "manual";
  "x-public"?: boolean;
  "x-authority"?: boolean;
  "x-well-known"?: boolean;
}

const files = import.meta.glob<Schema>("../../../../schemas/types/*/*.json", { eager: true, import: "default" });

/** The newest version of each built-in type. */
const types = new Map<string, Schema>();
for (const schema of Object.values(files)) {
  const name = schema["x-type"] ?? "";
  const known = types.get(name);
  if (known === undefined || (known["x-version"] ?? 0) < (schema["x-version"] ?? 0)) types.set(name, schema);
}

export function schemaOf(type: string | null): Schema | null {
  return types.get(type ?? "") ?? null;
}

/** What the schema says of the field at `path`; null where the type leaves it open. */
export function fieldAt(root: Schema, path: Path): Schema | null {
  let here: Schema | null = resolved(root, root);
  for (const key of path) {
    if (here === null) return null;
    const inside: Schema | boolean | undefined = here.properties?.[key] ?? here.items ?? here.additionalProperties;
    here = typeof inside === "object" ? resolved(root, inside) : null;
  }
  return here;
}

/** The fields of which everybody may see something. */
export function publicFieldsOf(root: Schema | null): string[] {
  if (root === null) return [];
  return Object.entries(root.properties ?? {}).flatMap(([field, schema]) => (isPublic(root, schema) ? [field] : []));
}

function isPublic(root: Schema, schema: Schema): boolean {
  const here = resolved(root, schema);
  const inside = [...Object.values(here.properties ?? {}), here.items, here.additionalProperties];
  return here["x-public"] === true || inside.some((inner) => typeof inner === "object" && isPublic(root, inner));
}

function resolved(root: Schema, schema: Schema): Schema {
  const name = schema.$ref?.replace("#/$defs/", "");
  const target = name === undefined ? undefined : root.$defs?.[name];
  // What stands beside a reference is nearer to the field: its description wins.
  return target === undefined ? schema : { ...target, ...schema };
}

/** How a value is entered: by the schema where it says so, else by what the value is. */
export type Input = "switch" | "number" | "choice" | "line" | "text" | "json";

export function inputFor(schema: Schema | null, value: Json | undefined): Input {
  if (schema?.enum) return "choice";
  const types = [schema?.type ?? []].flat().filter((type) => type !== "null");
  const type = types.length === 1 ? types[0] : kindOf(value);
  if (type === "boolean") return "switch";
  if (type === "number" || type === "integer") return "number";
  if (type === "string") return schema?.["x-merge"] === "text" ? "text" : "line";
  return "json";
}

function kindOf(value: Json | undefined): string {
  if (Array.isArray(value)) return "array";
  if (isObject(value)) return "object";
  return value === undefined ? "string" : value === null ? "null" : typeof value;
}

/** A layer of settings: where it is in the document, and what the schema says of it. */
export interface Layer {
  path: Path;
  name: string;
  description: string;
}

/** Layers are the fields of the settings that are a layer, and the members of those that are maps of layers. */
export function layersOf(settings: Schema, value: Json): Layer[] {
  return Object.entries(settings.properties ?? {}).flatMap(([field, schema]): Layer[] => {
    const description = schema.description ?? "";
    if (schema.$ref === "#/$defs/layer") return [{ path: [field], name: field, description }];
    if (!isLayerMap(schema)) return [];
    const members = isObject(value) && isObject(value[field]) ? Object.keys(value[field]) : [];
    return members.sort().map((name) => ({ path: [field, name], name: `${field}/${name}`, description }));
  });
}

/** The fields that hold layers by name, such as platforms. */
export function layerMaps(settings: Schema): { field: string; description: string }[] {
  return Object.entries(settings.properties ?? {})
    .filter(([, schema]) => isLayerMap(schema))
    .map(([field, schema]) => ({ field, description: schema.description ?? "" }));
}

function isLayerMap(schema: Schema): boolean {
  return typeof schema.additionalProperties === "object" && schema.additionalProperties.$ref === "#/$defs/layer";
}
