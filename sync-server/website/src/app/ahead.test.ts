import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { noteSignedIn } from "../api/account.ts";
import { live } from "../api/live.ts";
import { lookAhead } from "./ahead.ts";
import { client } from "./client.ts";
import { sessionQuery } from "./session.ts";

/** Paths that were asked for. */
let asked: string[] = [];

beforeEach(() => {
  asked = [];
  client.clear();
  // While the site is developed, somebody is always taken to be signed in.
  vi.stubEnv("DEV", false);
  // A relay that never answers.
  vi.stubGlobal("fetch", ({ url }: Request) => {
    asked.push(new URL(url).pathname);
    return new Promise(() => undefined);
  });
});
afterEach(() => {
  noteSignedIn(false);
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
});

test("the page of a document asks for all it needs at once, and waits for no relay that does not answer", async () => {
  noteSignedIn(true);
  await lookAhead("/vault/s/d");
  expect(asked.toSorted()).toEqual(["/api/v1/session", "/api/v1/spaces", "/api/v1/spaces/s/documents/d"]);
});

test("where nobody is signed in, and where no page is, nothing is asked for", async () => {
  await lookAhead("/vault/s/d");
  noteSignedIn(true);
  await lookAhead("/nowhere");
  expect(asked).toEqual([]);
});

test("whose session is over before the page begins is not told that it ended while he looked", async () => {
  noteSignedIn(true);
  const refusal = (): Response => Response.json({ code: "unauthenticated" }, { status: 401 });
  // What the page reads is refused before it is known whether anybody is signed in.
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    if (url.endsWith("/session")) await new Promise((resolve) => setTimeout(resolve, 50));
    return refusal();
  });
  await lookAhead("/vault/s/d");
  expect([client.getQueryData(sessionQuery.queryKey), live.current()]).toEqual([null, "connecting"]);
});
