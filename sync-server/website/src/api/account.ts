// Who is signed in, his sessions, spaces and devices.

import { problemOf } from "./problem.ts";

export interface Session {
  account: { id: string; name: string; role: "user" | "operator" };
  /** Null for whoever asks by a token, as while the site is developed. */
  session: { id: string; created_at: string; expires_at: string } | null;
}

export interface SessionItem {
  id: string;
  created_at: string;
  used_at: string;
  expires_at: string;
  agent: string | null;
  is_current: boolean;
}

export interface Space {
  id: string;
  kind: string;
  name: string | null;
  role: "viewer" | "editor" | "owner";
  end: string;
}

export async function signIn(code: string): Promise<Session> {
  const session = (await ask("POST", "/api/v1/session", { code })) as Session;
  noteSignedIn(true);
  return session;
}

/** Null if nobody is signed in. Browsers in which nobody was are not asked about: that would be a request for nothing. */
export async function session(): Promise<Session | null> {
  if (!maybeSignedIn()) return null;
  const response = await fetch("/api/v1/session", { headers: { accept: "application/json" } });
  if (response.status === 401) {
    noteSignedIn(false);
    return null;
  }
  return (await answer(response)) as Session;
}

export async function signOut(): Promise<void> {
  await ask("DELETE", "/api/v1/session");
  noteSignedIn(false);
}

const signedInKey = "signed-in";

/** The cookie itself is out of reach for scripts: this remembers that there is one. */
function maybeSignedIn(): boolean {
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

export async function sessions(): Promise<SessionItem[]> {
  return ((await ask("GET", "/api/v1/sessions")) as { sessions: SessionItem[] }).sessions;
}

export async function revokeSession(id: string): Promise<void> {
  await ask("DELETE", `/api/v1/sessions/${encodeURIComponent(id)}`);
}

export interface Device {
  id: string;
  agent: string;
  created_at: string;
  /** Exact to a day. */
  seen_at: string;
  is_connected: boolean;
  revoked_at: string | null;
}

export async function devices(): Promise<Device[]> {
  return ((await ask("GET", "/api/v1/devices")) as { devices: Device[] }).devices;
}

export async function spaces(): Promise<Space[]> {
  return ((await ask("GET", "/api/v1/spaces")) as { spaces: Space[] }).spaces;
}

export async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const content = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(path, {
    method,
    headers: { accept: "application/json", ...content },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return await answer(response);
}

async function answer(response: Response): Promise<unknown> {
  const text = await response.text();
  let body: unknown = null;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    body = null;
  }
  if (!response.ok) throw problemOf(body, response);
  return body;
}
