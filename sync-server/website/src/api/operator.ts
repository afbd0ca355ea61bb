// The whole relay, for whoever runs it.

import { queryOptions } from "@tanstack/react-query";

import { read, relay, type Schemas } from "./client.ts";
import type { DocumentPlace } from "./document.ts";

export type Overview = Schemas["Overview"];
export type Sample = Schemas["Sample"];

export const overviewQuery = queryOptions({
  queryKey: ["operator", "overview"],
  queryFn: () => read(relay.GET("/api/v1/operator")),
  staleTime: 0,
});

export function explainQuery(place: DocumentPlace) {
  return queryOptions({
    queryKey: ["operator", "explain", place.space, place.document],
    queryFn: async (): Promise<Record<string, unknown>> => {
      const path = "/api/v1/operator/spaces/{space}/documents/{document}/explain";
      return await read(relay.GET(path, { params: { path: place } }));
    },
    staleTime: 0,
  });
}
