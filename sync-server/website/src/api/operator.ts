// The whole relay, for whoever runs it.

import { queryOptions } from "@tanstack/react-query";

import { ask } from "./account.ts";
import type { DocumentPlace } from "./document.ts";

export interface Sample {
  time: string;
  entries: number;
  file_bytes: number;
  sockets: number;
  event_streams: number;
  waiting: number;
  intake_batches: number;
  resident_bytes: number | null;
}

export interface Overview {
  version: string;
  started_at: string;
  uptime_seconds: number;
  resident_bytes: number | null;
  takes_edits: boolean;
  why_not: string | null;
  findings: number | null;
  disk: { free_bytes: number; total_bytes: number } | null;
  sockets: number;
  event_streams: number;
  accounts: number;
  devices: number;
  documents: number;
  spaces: { personal: number; team: number; catalog: number };
  log: { entries: number; file_bytes: number };
  check: { waiting: number; slow: number };
  intake: { batches: number; bytes: number; since: string | null };
  held: { documents: number; first: { space: string; document: string; reason: string }[] };
  quarantine: { changes: number; bytes: number };
  sample_seconds: number;
  samples: Sample[];
}

export const overviewQuery = queryOptions({
  queryKey: ["operator", "overview"],
  queryFn: async () => (await ask("GET", "/api/v1/operator")) as Overview,
  staleTime: 0,
});

export function explainQuery({ space, document }: DocumentPlace) {
  return queryOptions({
    queryKey: ["operator", "explain", space, document],
    queryFn: async () => {
      const path = `/api/v1/operator/spaces/${encodeURIComponent(space)}/documents/${encodeURIComponent(document)}/explain`;
      return (await ask("GET", path)) as Record<string, unknown>;
    },
    staleTime: 0,
  });
}
