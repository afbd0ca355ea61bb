// The one way to the relay: a client made from docs/openapi.json. The cookie of the session travels by itself.

import createClient from "openapi-fetch";

import { problemOf } from "./problem.ts";
import type { components, paths } from "./schema.d.ts";

export type Schemas = components["schemas"];

// `fetch` is looked up at every request: tests put another one in its place.
export const relay = createClient<paths>({ baseUrl: "/", fetch: (request) => globalThis.fetch(request) });

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a success; throws a Problem for everything else. */
export async function read<T>(outcome: Promise<Outcome<T>>): Promise<NonNullable<T>> {
  return (await readWithTag(outcome)).body;
}

/** The same with the version of what was read, for `If-Match`. */
export async function readWithTag<T>(
  outcome: Promise<Outcome<T>>,
): Promise<{ body: NonNullable<T>; etag: string | null }> {
  const { data, error, response } = await outcome;
  if (!response.ok || data === undefined || data === null) throw problemOf(error, response);
  return { body: data, etag: response.headers.get("etag") };
}
