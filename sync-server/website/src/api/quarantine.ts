// Changes of the caller's account that were refused in a space. What was refused together is one batch.

import { queryOptions } from "@tanstack/react-query";

import { read, relay, type Schemas } from "./client.ts";

export type RefusedChange = Schemas["RefusedChange"];

export interface RefusedBatch {
  batch: string;
  document: string;
  device: string;
  code: string;
  detail: string;
  time: string;
  isFinal: boolean;
  changes: number;
  bytes: number;
}

/** More refused changes of a space than this are not shown: the vault lists them all. */
const changesMax = 1_000;

export function quarantineQuery(space: string) {
  return queryOptions({
    queryKey: ["space", space, "quarantine"],
    queryFn: async () => {
      const { items, waiting } = await read(
        relay.GET("/api/v1/spaces/{space}/quarantine", { params: { path: { space }, query: { limit: changesMax } } }),
      );
      return { batches: batchesOf(items), waiting };
    },
    staleTime: Infinity,
  });
}

export function batchesOf(items: readonly RefusedChange[]): RefusedBatch[] {
  const batches = new Map<string, RefusedBatch>();
  for (const { batch, document, device, code, detail, time, final, bytes } of items) {
    const known = batches.get(batch);
    if (known) {
      known.changes += 1;
      known.bytes += bytes ?? 0;
    } else {
      batches.set(batch, {
        batch,
        document,
        device,
        code,
        detail,
        time,
        isFinal: final,
        changes: 1,
        bytes: bytes ?? 0,
      });
    }
  }
  return [...batches.values()];
}
