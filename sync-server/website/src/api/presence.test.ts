import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { followPresence, told, type Other } from "./presence.ts";

const place = { space: "s", document: "d" };
const ada: Other = { account: "a", device: "1", content: { name: "Ada" } };

/** Requests of the page, in the place of a relay. */
let requests: Request[] = [];
let stream: ReadableStreamDefaultController<Uint8Array>;

beforeEach(() => {
  vi.useFakeTimers();
  requests = [];
  vi.stubGlobal("fetch", (input: Request | string, init?: RequestInit) => {
    const request = input instanceof Request ? input : new Request(new URL(input, "http://relay"), init);
    requests.push(request);
    if (request.method === "PUT") return Promise.resolve(new Response(null, { status: 204 }));
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (stream = controller) });
    const controller = stream;
    init?.signal?.addEventListener("abort", () => controller.error(new DOMException("left", "AbortError")));
    return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a page shows itself once its stream stands, before it is forgotten, and not after it was left", async () => {
  const others: Other[][] = [];
  const stop = followPresence(place, { name: "Bob" }, (now) => others.push([...now]));
  await passed(0);
  expect(shown()).toBe(0);
  stream.enqueue(event("present", { device: "2", others: [ada] }));
  await passed(10);
  expect(shown()).toBe(1);
  expect(await requests.at(-1)?.clone().json()).toEqual({ content: { name: "Bob" } });
  stream.enqueue(event("gone", { account: "a", device: "1" }));
  await passed(20_000);
  expect([others.at(-1), shown()]).toEqual([[], 1]);
  await passed(30_000);
  expect(shown()).toBe(3);
  stop();
  await passed(60_000);
  expect(shown()).toBe(3);
  expect(requests.filter(({ method }) => method === "GET")).toHaveLength(1);
});

test("a stream that ended is opened again, and the page shown anew", async () => {
  const stop = followPresence(place, { name: "Bob" }, () => undefined);
  await passed(0);
  stream.enqueue(event("present", { device: "2", others: [] }));
  await passed(10);
  stream.close();
  await passed(5_100);
  stream.enqueue(event("present", { device: "3", others: [] }));
  await passed(10);
  expect(shown()).toBe(2);
  stop();
});

test("who is there is told as they come, move and go", () => {
  const moved = { ...ada, content: { name: "Ada", line: 3 } };
  const bob = { account: "b", device: "2" };
  expect(told([], "present", { device: "9", others: [ada] })).toEqual([ada]);
  expect(told([ada], "shown", moved)).toEqual([moved]);
  expect(told([ada], "shown", bob)).toEqual([ada, bob]);
  expect(told([ada, bob], "gone", { account: "a", device: "1" })).toEqual([bob]);
});

function shown(): number {
  return requests.filter(({ method }) => method === "PUT").length;
}

function passed(milliseconds: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(milliseconds);
}

function event(name: string, data: unknown): Uint8Array {
  return new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
