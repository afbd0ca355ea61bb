// Asks for what the page at an address will need, before React begins: its script, who is signed in, and what it reads.
// Otherwise each of them would be asked for when the one before it has come. The page asks the same questions later,
// and finds the answers in the cache.

import { matchRoutes } from "react-router";

import { maybeSignedIn } from "../api/account.ts";
import { client } from "./client.ts";
import { routes } from "./routes.ts";
import { sessionQuery } from "./session.ts";

/** A skeleton that is replaced sooner than this is better not shown. */
const patienceMilliseconds = 200;

/** Ends when everything is there, or soon. What fails here fails again where it is shown, and is said there. */
export async function lookAhead(path: string): Promise<void> {
  const match = matchRoutes([...routes], path)?.at(-1);
  if (match === undefined) return;
  const { route, params } = match;
  const asked: Promise<unknown>[] = [route.load()];
  if (maybeSignedIn()) asked.push(client.query(sessionQuery), route.reads(client, params));
  const soon = new Promise((resolve) => setTimeout(resolve, patienceMilliseconds));
  await Promise.race([Promise.allSettled(asked), soon]);
}
