// How a document was judged for everybody to see, and where they see it.

import { queryOptions } from "@tanstack/react-query";

import { read, relay, type Schemas } from "./client.ts";
import type { DocumentPlace } from "./document.ts";

export type Publication = Schemas["Publication"];

/** A judgement is of a state of the document: it is asked for anew when that has another position. */
export function publicationQuery(place: DocumentPlace, position: string) {
  return queryOptions({
    queryKey: ["publication", place.space, place.document, position],
    queryFn: () =>
      read(
        relay.GET("/api/v1/spaces/{space}/documents/{document}/publication", {
          params: { path: place, query: { after: position } },
        }),
      ),
    staleTime: Infinity,
    gcTime: 60_000,
  });
}

/** Where everybody is shown the document; nobody needs an account there. */
export function publicPath({ space, document }: DocumentPlace): string {
  return `/api/v1/public/${space}/${document}`;
}
