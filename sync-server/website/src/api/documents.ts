// Lists of documents, kept current by reading what changed since the newest position that is known.

import { queryOptions, useQueries, useQuery } from "@tanstack/react-query";

import { spaces, type Space } from "./account.ts";
import { read, relay, type Schemas } from "./client.ts";
import { isAfter } from "./position.ts";
import { asProblem } from "./problem.ts";

export type DocumentItem = Schemas["DocumentItem"];

const pageItems = 500;
/** More documents of one space than this are not listed: they are found by search. */
export const listedDocumentsMax = 5_000;

export const spacesQuery = queryOptions({ queryKey: ["spaces", "all"], queryFn: spaces, staleTime: Infinity });

export function documentsQuery(space: string) {
  return queryOptions({
    queryKey: ["space", space, "documents"],
    queryFn: async ({ client, queryKey }): Promise<DocumentItem[]> => {
      const known = client.getQueryData<DocumentItem[]>(queryKey);
      const newest = known && newestPosition(known);
      if (known === undefined || newest === null || newest === undefined) return await list({ space });
      try {
        return merged(known, await list({ space, updated_after: newest, deleted: "include" }));
      } catch (error) {
        if (asProblem(error).code === "epoch_changed") return await list({ space });
        throw error;
      }
    },
    staleTime: Infinity,
  });
}

async function list(query: { space: string; updated_after?: string; deleted?: "include" }): Promise<DocumentItem[]> {
  const items: DocumentItem[] = [];
  let cursor: string | null = null;
  do {
    const page: Schemas["DocumentList"] = await read(
      relay.GET("/api/v1/documents", {
        params: { query: { ...query, limit: pageItems, ...(cursor === null ? {} : { cursor }) } },
      }),
    );
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < listedDocumentsMax);
  return items;
}

/** Puts what changed into the list: replaced in place, new ones behind, deleted ones taken out. */
export function merged(known: readonly DocumentItem[], changed: readonly DocumentItem[]): DocumentItem[] {
  const items = new Map(known.map((item) => [item.id, item]));
  for (const item of changed) {
    if (item.deleted) items.delete(item.id);
    else items.set(item.id, item);
  }
  return [...items.values()];
}

export function newestPosition(items: readonly DocumentItem[]): string | null {
  let newest: string | null = null;
  for (const { position } of items) if (newest === null || isAfter(position, newest)) newest = position;
  return newest;
}

export interface SpaceDocuments {
  space: Space;
  documents: DocumentItem[];
}

/** All documents of all spaces; `isPending` until the first answer for each space is there. */
export function useDocuments(isEnabled = true): { spaces: SpaceDocuments[]; isPending: boolean; error: unknown } {
  const all = useQuery({ ...spacesQuery, enabled: isEnabled });
  const lists = useQueries({ queries: (all.data ?? []).map((space) => documentsQuery(space.id)) });
  return {
    spaces: (all.data ?? []).map((space, index) => ({ space, documents: lists[index]?.data ?? [] })),
    isPending: all.isPending || lists.some((list) => list.isPending),
    error: all.error ?? lists.find((list) => list.error !== null)?.error ?? null,
  };
}
