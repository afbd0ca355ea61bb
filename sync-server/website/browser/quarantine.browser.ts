// Edits that the relay has refused for real are seen on the site; one is made again there and leaves the quarantine of its
// device, another one is discarded there and stays on the device.

import { readFileSync } from "node:fs";

import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { World, type Vault } from "./world.ts";

let world: World;
let laptop: Vault;

beforeAll(async () => {
  world = await World.begin();
  laptop = await world.vault("laptop");
  await refuse(["plan", "list"]);
  await world.relayCommand("account", "role", "ada", "operator");
});
afterAll(() => world.end());

/**
 * A machine that was put back to its backup writes under names that the relay knows of other edits: they are refused. The
 * vault makes them again by itself under other names, unless it has done so too often; that is said in its file here.
 */
async function refuse(notes: string[]): Promise<void> {
  for (const note of notes) await laptop.run("new", "note", note);
  await laptop.run("sync");
  const putBack = laptop.keepCopy();
  for (const note of notes) await laptop.run("patch", note, JSON.stringify({ body: `${note} of before` }));
  await laptop.run("sync");
  putBack();
  for (const note of notes) await laptop.run("patch", note, JSON.stringify({ body: `${note} of the backup` }));
  await laptop.runSql("UPDATE batches SET rewritten = 8 WHERE state = 0");
  await syncAnyway();
}

/** While something is in quarantine, a sync that is done ends with a status that says that a person is needed. */
async function syncAnyway(): Promise<void> {
  await laptop.run("sync").catch(() => null);
}

async function inQuarantine(): Promise<number> {
  return (JSON.parse(await laptop.run("quarantine", "list", "--json")) as unknown[]).length;
}

/** The entry of the page for what was refused of a note, opened. */
async function refused(page: Page, note: string): Promise<Locator> {
  const summaries = page.getByText("What it changed");
  await summaries.first().waitFor();
  for (const summary of await summaries.all()) await summary.click();
  const entry = page
    .getByRole("listitem")
    .filter({ hasText: `${note} of the backup` })
    .first();
  await entry.waitFor();
  return entry;
}

test("an operator sees whose edits were refused, and how many", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open("/operator");
  await page
    .getByRole("listitem")
    .filter({ hasText: "ada" })
    .getByText(/^2 changes, /)
    .waitFor();
  visitor.expectNoFaults();
});

test("a refused edit is seen with what it changed, exported, made again, and leaves the quarantine of its device", async () => {
  expect(await inQuarantine()).toBe(2);
  const visitor = await world.signedIn();
  const page = await visitor.open("/quarantine");
  await page.getByText("equivocation").first().waitFor();
  const entry = await refused(page, "plan");

  const downloading = page.waitForEvent("download");
  await entry.getByRole("button", { name: "Export" }).click();
  const file = await (await downloading).path();
  const exported = JSON.parse(readFileSync(file, "utf8")) as { code: string; bytes_hexadecimal: string };
  expect(exported.code).toBe("equivocation");
  expect(exported.bytes_hexadecimal).toMatch(/^856f4a83/);

  await entry.getByRole("button", { name: "Make it again" }).press("Enter");
  await page.getByText("It was made again, as a new edit of what is there now.").waitFor();
  await expect.poll(() => page.getByText("equivocation").count()).toBe(1);

  await syncAnyway();
  expect(await inQuarantine()).toBe(1);
  expect(await laptop.run("show", "plan")).toContain("plan of the backup");
  visitor.expectNoFaults();
});

test("what is discarded on the site stays on its device", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open("/quarantine");
  const entry = await refused(page, "list");
  await entry.getByRole("button", { name: "Discard" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await entry.getByRole("button", { name: "Discard" }).press("Enter");
  await dialog.getByRole("button", { name: "Discard it here" }).click();
  await page.getByText("No edit was refused").waitFor();

  await syncAnyway();
  expect(await inQuarantine()).toBe(1);
  visitor.expectNoFaults();
});
