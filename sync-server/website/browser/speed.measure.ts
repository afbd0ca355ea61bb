// How fast the site is, as its pages see it themselves: when a page can be used on a slow processor, how much it moves
// while it loads, and how long after an edit in a vault it shows it. `npm run measure`; it prints, and judges nothing.

import { cpus } from "node:os";

import type { Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";

import { fill, type Filled } from "./filled.ts";
import { isLive, World, type Watched } from "./world.ts";

/** A processor is slowed down by as much for pages that load. */
const throttling = 4;
const loads = 20;
const edits = 200;
const key = "editor.tabSize";

/** What the scripts in the pages leave for us. */
interface Noted {
  usable?: number;
  shifts: number;
  shown: Record<string, number>;
}

let world: World;
let filled: Filled;

beforeAll(async () => {
  world = await World.begin();
  filled = await fill(world);
  console.log(`${String(cpus().length)} processors, ${cpus()[0]?.model ?? "of an unknown kind"}`);
});
afterAll(() => world.end());

test("pages that load", { timeout: 300_000 }, async () => {
  const { space, settings, note } = filled;
  const pages: [name: string, path: string, usable: string][] = [
    ["landing", "/", "main a"],
    ["my vault", "/vault", `a[href="/vault/${space}/${settings}"]`],
    ["settings", `/vault/${space}/${settings}`, `main input[aria-label="${key}"]:enabled`],
    ["a note", `/vault/${space}/${note}`, "main table"],
  ];
  const visitor = await world.signedIn();
  for (const [name, path, usable] of pages) {
    const [times, shifts]: [number[], number[]] = [[], []];
    for (let load = 0; load < loads; load += 1) {
      const { page, noted } = await loaded(visitor, path, usable);
      times.push(noted.usable ?? Infinity);
      shifts.push(noted.shifts);
      await page.close();
    }
    console.log(
      `${name}: usable ${summary(times)} after it was asked for, with a processor ${String(throttling)} times slower ` +
        `and an empty cache; layout shift ${Math.max(...shifts).toFixed(4)} at most`,
    );
  }
});

test("edits of a vault", { timeout: 300_000 }, async () => {
  const visitor = await world.signedIn();
  const page = await visitor.context.newPage();
  await page.addInitScript(noteShown, key);
  await page.goto(`/vault/${filled.space}/${filled.settings}`);
  await isLive(page);
  const watching = filled.laptop.watch();
  const times: number[] = [];
  for (let edit = 0; edit < edits; edit += 1) {
    const value = String(1_000 + edit);
    const began = Date.now();
    await filled.laptop.run("set", "settings", key, value);
    await page.waitForFunction((value) => value in (window as unknown as { noted: Noted }).noted.shown, value);
    times.push(((await notedIn(page)).shown[value] ?? Infinity) - began);
  }
  watching.kill();
  console.log(`an edit by the command vault, until the page of another device shows it: ${summary(times)}`);
});

async function loaded(visitor: Watched, path: string, usable: string): Promise<{ page: Page; noted: Noted }> {
  const page = await visitor.context.newPage();
  const session = await visitor.context.newCDPSession(page);
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  await session.send("Emulation.setCPUThrottlingRate", { rate: throttling });
  await page.addInitScript(noteUsable, usable);
  await page.goto(path);
  await page.waitForFunction(() => (window as unknown as { noted: Noted }).noted.usable !== undefined);
  await page.waitForTimeout(500); // what moves late counts as well
  return { page, noted: await notedIn(page) };
}

function notedIn(page: Page): Promise<Noted> {
  return page.evaluate(() => (window as unknown as { noted: Noted }).noted);
}

/** Runs in the page: notes the frame in which what a selector names is there, and how much moves. */
function noteUsable(selector: string): void {
  const noted: Noted = { shifts: 0, shown: {} };
  (window as unknown as { noted: Noted }).noted = noted;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { value: number })[]) noted.shifts += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  const look = (): void => {
    if (document.querySelector(selector) !== null) noted.usable = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** Runs in the page: notes the first frame in which the control of a setting shows each value. */
function noteShown(label: string): void {
  const noted: Noted = { shifts: 0, shown: {} };
  (window as unknown as { noted: Noted }).noted = noted;
  const look = (): void => {
    const input = document.querySelector<HTMLInputElement>(`input[aria-label="${label}"]`);
    if (input !== null) noted.shown[input.value] ??= Date.now();
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

function summary(times: number[]): string {
  const sorted = times.toSorted((one, other) => one - other);
  const at = (share: number): string => (sorted[Math.ceil(share * sorted.length) - 1] ?? NaN).toFixed(0);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms (n = ${String(times.length)})`;
}
