// Who is signed in, for every page; and what happens when that ends while somebody looks.

import { queryOptions, useQuery, type QueryClient } from "@tanstack/react-query";

import { noteSignedIn, session, signOut, type Session } from "../api/account.ts";
import { live } from "../api/live.ts";

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: session,
  staleTime: Infinity,
  gcTime: Infinity,
  retry: false,
});

export function useSession(): { session: Session | null | undefined; error: unknown } {
  const { data, error } = useQuery(sessionQuery);
  return { session: data, error };
}

/** Forgets everything of the account: nothing of it may be shown to whoever sits there next. */
export function forget(client: QueryClient): void {
  client.setQueryData(sessionQuery.queryKey, null);
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" && queryKey[0] !== "public" });
}

/** The session ended elsewhere: it was revoked, or has expired. */
export function end(client: QueryClient): void {
  // Nobody was signed in, or that is still being asked: then its own answer says so.
  if (!client.getQueryData(sessionQuery.queryKey)) return;
  live.set("ended");
  noteSignedIn(false);
  forget(client);
}

export async function leave(client: QueryClient): Promise<void> {
  await signOut();
  live.set("connecting");
  forget(client);
}
