// Every page of the site, in both themes and at three widths: it can be used by everybody, says no error, asks no other
// host, does not move while it loads, and fits. The list of pages is the router's. With SCREENSHOTS, pictures of all of
// them are put into that directory.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { disagree, fill, type Filled } from "./filled.ts";
import { World, type Watched } from "./world.ts";

const routes = JSON.parse(readFileSync(resolve("routes.json"), "utf8")) as string[];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const widths = [1440, 820, 390];
/** What a person does not notice; Google calls pages below 0.1 good. */
const layoutShiftMax = 0.02;

let world: World;
let filled: Filled;

beforeAll(async () => {
  world = await World.begin();
  filled = await fill(world);
  await disagree(filled);
  await world.relayCommand("account", "role", "ada", "operator");
  await hold("Strange");
});
afterAll(() => world.end());

test.each(["light", "dark"] as const)(
  "every page is sound in the %s theme",
  async (colorScheme) => {
    const visitor = await world.signedIn({ colorScheme });
    await countShifts(visitor);
    for (const [name, path] of pages()) {
      const page = await visitor.open(path);
      await settled(page);
      expect(await violations(page), `${name} can be used by everybody`).toEqual([]);
      expect(await shifts(page), `${name} does not move while it loads`).toBeLessThan(layoutShiftMax);
      expect(await page.title(), `${name} has a title`).toMatch(/Symphony Vault/);
      for (const width of widths) {
        await page.setViewportSize({ width, height: 900 });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(over, `${name} fits into ${String(width)} pixels`).toBeLessThanOrEqual(0);
        await picture(page, `${name}-${String(width)}-${colorScheme}`);
      }
      await page.close();
      visitor.expectNoFaults();
    }
  },
  300_000,
);

test.each(["light", "dark"] as const)(
  "whoever is not signed in sees sound pages in the %s theme",
  async (colorScheme) => {
    const visitor = await world.visitor({ colorScheme });
    for (const [name, path] of pages()) {
      const page = await visitor.open(path);
      await settled(page);
      expect(await violations(page), name).toEqual([]);
      await page.close();
      visitor.expectNoFaults();
    }
  },
  300_000,
);

test("the page of the relay names a held document, and leads to why it is held", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open("/operator");
  const held = page.getByRole("listitem").filter({ hasText: "its check fails" });
  await held.getByRole("link").press("Enter");
  await page.getByRole("heading", { name: "Why this document is as it is" }).waitFor();
  await page.getByText("its check fails").first().waitFor();
  visitor.expectNoFaults();
});

test("an address without a page is answered with 404 and a page that says so", async () => {
  const visitor = await world.visitor();
  const page = await visitor.context.newPage();
  const response = await page.goto("/no/such/page");
  expect(response?.status()).toBe(404);
  await page.getByRole("heading", { name: "Nothing is here" }).waitFor();
  visitor.expectNoFaults(/404/);
});

/** A new note is held, as if its check had failed. */
async function hold(name: string): Promise<void> {
  await filled.laptop.run("new", "note", name);
  await filled.laptop.run("sync");
  const newest = "(SELECT max(document_key) FROM documents)";
  await world.runSql(`UPDATE documents SET held = 'its check fails' WHERE document_key = ${newest}`);
}

/** The router's patterns with something in place of each parameter; one document of each kind. */
function pages(): [name: string, path: string][] {
  const { space, settings, keymap, note, profile } = filled;
  const documents: Record<string, string> = { settings, keymap, note, profile };
  return routes.flatMap((route): [string, string][] => {
    const path = route.replace(":space", space).replace(":page", "conflicts").replace(":decision", "0018-conflicts");
    const name = route.replaceAll(/[/:]+/g, "-").replace(/^-/, "") || "start";
    if (!path.includes(":document")) return [[name, path]];
    const kinds = route.startsWith("/conflicts")
      ? ["profile"]
      : route.endsWith(":document")
        ? Object.keys(documents)
        : ["settings"];
    return kinds.map((kind) => [`${name}-${kind}`, path.replace(":document", documents[kind] ?? "")]);
  });
}

async function settled(page: Page): Promise<void> {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => document.querySelector("main [aria-busy=true]") === null);
  await page.evaluate(() => document.fonts.ready);
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (options: object) => Promise<Found> } };
    interface Found {
      violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
    }
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await axe.run({ runOnly: tags });
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
    );
  });
}

async function countShifts({ context }: Watched): Promise<void> {
  await context.addInitScript(() => {
    const counted = window as unknown as { shifts: number };
    counted.shifts = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) counted.shifts += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
}

function shifts(page: Page): Promise<number> {
  return page.evaluate(() => (window as unknown as { shifts: number }).shifts);
}

async function picture(page: Page, name: string): Promise<void> {
  const directory = process.env["SCREENSHOTS"];
  if (directory !== undefined) await page.screenshot({ path: join(directory, `${name}.png`) });
}
