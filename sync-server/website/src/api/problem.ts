// What went wrong with a request: always a code, words for people, and whether trying again makes sense.

import { text } from "../text.ts";
import type { components } from "./schema.d.ts";

type Body = components["schemas"]["Problem"];
export type Violation = components["schemas"]["Violation"];

/** `unreachable` and `unreadable` are this site's own: no relay answered, or not with what was agreed. */
export type ProblemCode = Body["code"] | "unreachable" | "unreadable";

export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly code: ProblemCode,
    readonly title: string,
    readonly detail: string,
    readonly status = 0,
    readonly requestId: string | null = null,
    readonly violations: readonly Violation[] = [],
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(`${code}: ${detail}`);
  }

  /** Whether the same request may succeed later, without anybody changing it. */
  get isTransient(): boolean {
    return this.code === "unreachable" || this.status === 503 || this.status === 504 || this.status === 429;
  }
}

/** Reads the body of an answer that is no success. Whatever is no problem document is named as such. */
export function problemOf(body: unknown, response: Response): Problem {
  const retry = Number(response.headers.get("retry-after"));
  if (isBody(body)) {
    return new Problem(
      body.code,
      body.title,
      body.detail,
      body.status,
      body.request_id ?? response.headers.get("x-request-id"),
      body.violations ?? [],
      retry > 0 ? retry : null,
    );
  }
  const { title, detail } = text.problem.unreadable;
  return new Problem("unreadable", title, detail(response.status), response.status);
}

/** Anything that was thrown, as a problem. A fetch that fails without an answer means that nobody is reached. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError) {
    const { title, detail } = text.problem.unreachable;
    return new Problem("unreachable", title, detail);
  }
  return new Problem("unreadable", text.problem.mistake.title, error instanceof Error ? error.message : String(error));
}

function isBody(body: unknown): body is Body {
  return typeof body === "object" && body !== null && "code" in body && "detail" in body && "title" in body;
}
