// Changes of the caller's account that were refused in a space: listed, looked at, made again, taken along, thrown away.

import { queryOptions } from "@tanstack/react-query";

import { read, readWithTag, relay, type Schemas } from "./client.ts";
import type { Version } from "./document.ts";
import { problemOf } from "./problem.ts";

export type RefusedChange = Schemas["RefusedChange"];
export type RefusedEdit = Schemas["RefusedEdit"];
export type RefusedValue = Schemas["RefusedValue"];

/** One refused change, by its space and hash. */
export interface RefusedPlace {
  space: string;
  hash: string;
}

/** More refused changes of a space than this are not shown: the vault lists them all. */
const changesMax = 1_000;

export function quarantineQuery(space: string) {
  return queryOptions({
    queryKey: ["space", space, "quarantine"],
    queryFn: () =>
      read(
        relay.GET("/api/v1/spaces/{space}/quarantine", { params: { path: { space }, query: { limit: changesMax } } }),
      ),
    // No hint says that something was refused, so it is asked for whenever somebody looks.
    staleTime: 0,
  });
}

export function refusedQuery(place: RefusedPlace) {
  return queryOptions({
    // Not below that of the space, which is read again whenever that moves: what was made again is gone then.
    queryKey: ["refused", place.space, place.hash],
    queryFn: () => read(relay.GET("/api/v1/spaces/{space}/quarantine/{hash}", { params: { path: place } })),
    staleTime: Infinity,
    retry: false,
  });
}

/** What cannot be read, or would do harm, is never loaded by the relay: its values are unknown and cannot be made again. */
export function isEverLoaded({ code }: RefusedChange): boolean {
  return code !== "dangerous" && code !== "undecodable";
}

/** Makes it again, once for each key. Null: that is durable, and cannot be shown yet. */
export async function resubmit(place: RefusedPlace, key: string): Promise<Version | null> {
  const { body, etag } = await readWithTag(
    relay.POST("/api/v1/spaces/{space}/quarantine/{hash}/resubmit", {
      params: { path: place, header: { "Idempotency-Key": `"${key}"` } },
    }),
  );
  return "value" in body ? { document: body, etag: etag ?? "*" } : null;
}

/** All of it as the text of a file, in the shape of `vault quarantine export`. */
export async function exported(place: RefusedPlace): Promise<string> {
  const edit = await read(relay.GET("/api/v1/spaces/{space}/quarantine/{hash}/export", { params: { path: place } }));
  return `${JSON.stringify(edit, null, 2)}\n`;
}

export async function discard(place: RefusedPlace): Promise<void> {
  const { error, response } = await relay.DELETE("/api/v1/spaces/{space}/quarantine/{hash}", {
    params: { path: place },
  });
  if (!response.ok) throw problemOf(error, response);
}
