// Who is signed in, his sessions, spaces and devices.

import { read, relay, type Schemas } from "./client.ts";
import { asProblem, problemOf } from "./problem.ts";

export type Session = Schemas["SignedIn"];
export type SessionItem = Schemas["Session"];
export type Space = Schemas["Space"];
export type Device = Schemas["Device"];

export async function signIn(code: string): Promise<Session> {
  const session = await read(relay.POST("/api/v1/session", { body: { code } }));
  noteSignedIn(true);
  return session;
}

/** Null if nobody is signed in. Where nobody ever was, the relay is not asked: that would be a request for nothing. */
export async function session(): Promise<Session | null> {
  if (!maybeSignedIn()) return null;
  try {
    return await read(relay.GET("/api/v1/session"));
  } catch (error) {
    if (asProblem(error).status !== 401) throw error;
    noteSignedIn(false);
    return null;
  }
}

export async function signOut(): Promise<void> {
  await done(relay.DELETE("/api/v1/session"));
  noteSignedIn(false);
}

const signedInKey = "signed-in";

/** The cookie itself is out of reach for scripts: this remembers that there is one. */
export function maybeSignedIn(): boolean {
  if (import.meta.env.DEV) return true;
  try {
    return localStorage.getItem(signedInKey) !== null;
  } catch {
    return true;
  }
}

export function noteSignedIn(isSignedIn: boolean): void {
  try {
    if (isSignedIn) localStorage.setItem(signedInKey, "yes");
    else localStorage.removeItem(signedInKey);
  } catch {
    // Storage may be forbidden: then the relay is asked each time.
  }
}

export async function sessions(): Promise<readonly SessionItem[]> {
  return (await read(relay.GET("/api/v1/sessions"))).sessions;
}

export async function revokeSession(session: string): Promise<void> {
  await done(relay.DELETE("/api/v1/sessions/{session}", { params: { path: { session } } }));
}

export async function devices(): Promise<readonly Device[]> {
  return (await read(relay.GET("/api/v1/devices"))).devices;
}

export async function spaces(): Promise<Space[]> {
  return (await read(relay.GET("/api/v1/spaces"))).spaces;
}

/** An answer without a body. */
async function done(outcome: Promise<{ error?: unknown; response: Response }>): Promise<void> {
  const { error, response } = await outcome;
  if (!response.ok) throw problemOf(error, response);
}
