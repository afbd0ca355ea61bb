// One document: its merged state with its version, as it was at a position, and its history.

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { isAfter } from "./position.ts";
import { read, readWithTag, relay, type Schemas } from "./client.ts";

export type Document = Schemas["Document"];
export type HistoryItem = Schemas["HistoryItem"];

/** A document and the tag of the answer that it was in: what a patch says it has seen. */
export interface Version {
  document: Document;
  etag: string;
}

export interface DocumentPlace {
  space: string;
  document: string;
}

export function documentQuery(place: DocumentPlace) {
  return queryOptions({
    queryKey: ["space", place.space, "document", place.document],
    queryFn: async ({ client, queryKey }): Promise<Version> => {
      const read = await readVersion(place, {});
      // An edit of this window may have been answered meanwhile, with something newer.
      const known = client.getQueryData<Version>(queryKey);
      return known && isAfter(known.document.position, read.document.position) ? known : read;
    },
    staleTime: Infinity,
  });
}

/** A version never changes: it is kept as long as somebody looks. */
export function versionQuery(place: DocumentPlace, at: string) {
  return queryOptions({
    queryKey: ["version", place.space, place.document, at],
    queryFn: () => readVersion(place, { at }),
    staleTime: Infinity,
    gcTime: 10 * 60_000,
  });
}

async function readVersion(place: DocumentPlace, query: { at?: string }): Promise<Version> {
  const { body, etag } = await readWithTag(
    relay.GET("/api/v1/spaces/{space}/documents/{document}", { params: { path: place, query } }),
  );
  return { document: body, etag: etag ?? "*" };
}

export function historyQuery(place: DocumentPlace) {
  return infiniteQueryOptions({
    queryKey: ["space", place.space, "history", place.document],
    queryFn: ({ pageParam }): Promise<Schemas["History"]> =>
      read(
        relay.GET("/api/v1/spaces/{space}/documents/{document}/history", {
          params: { path: place, query: { limit: 100, ...(pageParam === null ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    staleTime: Infinity,
  });
}

/** Entries of one batch are one edit of one device: the newest edit first, each at the position of its last entry. */
export interface Edit {
  batch: string;
  device: string;
  time: string;
  position: string;
  changes: number;
  kind: HistoryItem["kind"];
  isExcluded: boolean;
}

export function editsOf(items: readonly HistoryItem[]): Edit[] {
  const edits: Edit[] = [];
  for (const item of items) {
    const last = edits.at(-1);
    if (last?.batch === item.batch) {
      last.changes += 1;
      last.isExcluded &&= item.excluded;
    } else {
      const { batch, device, time, position, kind, excluded } = item;
      edits.push({ batch, device, time, position, kind, changes: 1, isExcluded: excluded });
    }
  }
  return edits;
}
