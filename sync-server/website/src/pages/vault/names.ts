// What a document is called and which picture it has, by its type.

import type { DocumentItem } from "../../api/documents.ts";
import { schemaOf } from "../../document/schema.ts";
import { text } from "../../text.ts";
import type { IconName } from "../../ui/Icon.tsx";

const icons: Readonly<Record<string, IconName>> = {
  settings: "sliders",
  keymap: "keys",
  note: "note",
  profile: "person",
  identity: "person",
  trust: "shield",
};

export function iconOf(type: string | null): IconName {
  return icons[type ?? ""] ?? "braces";
}

/** The title, else what its type is called: there is one of those in each space. */
export function nameOf({ type, title }: Pick<DocumentItem, "type" | "title">): { name: string; icon: IconName } {
  return {
    name: title ?? (schemaOf(type)?.["x-well-known"] ? typeName(type) : text.vault.untitled),
    icon: iconOf(type),
  };
}

export function typeName(type: string | null): string {
  return schemaOf(type)?.title ?? type ?? text.vault.noType;
}
