import { expect, test } from "vitest";

import { asProblem, problemOf } from "./problem.ts";

test("a problem document keeps its code, words, request and when to try again", () => {
  const body = {
    type: "urn:x",
    title: "Too fast",
    status: 429,
    code: "rate_limited",
    detail: "wait a little",
    request_id: "r1",
  };
  const problem = problemOf(body, new Response(null, { status: 429, headers: { "retry-after": "7" } }));
  expect(problem).toMatchObject({
    code: "rate_limited",
    title: "Too fast",
    detail: "wait a little",
    requestId: "r1",
    retryAfterSeconds: 7,
  });
  expect(problem.isTransient).toBe(true);
});

test("an answer that is no problem document is named as such", () => {
  const problem = problemOf(null, new Response("<html>", { status: 502 }));
  expect(problem).toMatchObject({ code: "unreadable", status: 502, isTransient: false });
});

test("a fetch that fails means that nobody is reached, and may be tried again", () => {
  expect(asProblem(new TypeError("Failed to fetch"))).toMatchObject({ code: "unreachable", isTransient: true });
  expect(asProblem("odd")).toMatchObject({ code: "unreadable", detail: "odd" });
});
