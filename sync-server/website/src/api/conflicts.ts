// Fields that wait for a person: the inbox over all spaces, and those of one document.

import { queryOptions } from "@tanstack/react-query";

import { read, readWithTag, relay, type Schemas } from "./client.ts";
import type { DocumentPlace, Version } from "./document.ts";

export type WaitingDocument = Schemas["WaitingDocument"];
export type Conflict = Schemas["Conflict"];
export type ConflictValue = Schemas["ConflictValue"];

/** A page of the list may be empty though more follow; so many are read at most. */
const pagesMax = 50;

export const inboxQuery = queryOptions({
  // Begins with `spaces`: whatever happens in any space may change it.
  queryKey: ["spaces", "conflicts"],
  queryFn: async (): Promise<WaitingDocument[]> => {
    const items: WaitingDocument[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < pagesMax; page += 1) {
      const answer: Schemas["Inbox"] = await read(
        relay.GET("/api/v1/conflicts", { params: { query: { limit: 100, ...(cursor === null ? {} : { cursor }) } } }),
      );
      items.push(...answer.items);
      cursor = answer.next;
      if (cursor === null) break;
    }
    return items;
  },
  staleTime: Infinity,
});

export function conflictsQuery(place: DocumentPlace) {
  return queryOptions({
    queryKey: ["space", place.space, "conflicts", place.document],
    queryFn: () =>
      read(
        relay.GET("/api/v1/spaces/{space}/documents/{document}/conflicts", {
          params: { path: place, query: { limit: 1000 } },
        }),
      ),
    staleTime: Infinity,
  });
}

/** What a person decided: the value of one change, or another one. */
export type Choice = { keep: string } | { value: unknown };

/** Settles a conflict as it was seen. Null: the decision is durable, and cannot be shown yet. */
export async function resolve(
  place: DocumentPlace,
  conflict: Conflict,
  choice: Choice,
  key: string,
): Promise<Version | null> {
  const { body, etag } = await readWithTag(
    relay.POST("/api/v1/spaces/{space}/documents/{document}/conflicts/resolve", {
      params: { path: place, header: { "Idempotency-Key": `"${key}"` } },
      body: {
        stored_path: conflict.stored_path,
        seen: conflict.values.map(({ change }) => change),
        ...choice,
      } as never,
    }),
  );
  return "value" in body ? { document: body, etag: etag ?? "*" } : null;
}
