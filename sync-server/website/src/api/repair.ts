// Letting a held document go on without the changes that fail its check.

import { read, relay, type Schemas } from "./client.ts";
import type { DocumentPlace } from "./document.ts";

export type Repair = Schemas["Repair"];

/** What a repair would do; nothing is done. */
export function lookAtRepair(place: DocumentPlace): Promise<Repair> {
  return post(place, { dry_run: "true" });
}

export function repair(place: DocumentPlace): Promise<Repair> {
  return post(place, {});
}

function post(place: DocumentPlace, query: { dry_run?: "true" }): Promise<Repair> {
  const path = "/api/v1/spaces/{space}/documents/{document}/repair";
  return read(relay.POST(path, { params: { path: place, query } }));
}
