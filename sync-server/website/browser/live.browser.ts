// Live: windows and vaults that edit the same settings see each other's edits; sessions that end; networks that go.

import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { fill, type Filled } from "./filled.ts";
import { isLive, World } from "./world.ts";

let world: World;
let filled: Filled;

beforeAll(async () => {
  world = await World.begin();
  filled = await fill(world);
});
afterAll(() => world.end());

test("a link signs in once, and its code is in the address no longer than a moment", async () => {
  const link = await world.link();
  const visitor = await world.visitor();
  const page = await visitor.open(link);
  await page.waitForURL("**/vault");
  await page.getByRole("link", { name: /Set list/ }).waitFor();
  const addresses = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  const code = new URL(link).hash.slice(1);
  expect(addresses.filter((address) => address.includes(code))).toEqual([]);
  await page.goBack().catch(() => null);
  expect(page.url()).not.toContain(code);
  visitor.expectNoFaults();

  const second = await world.visitor();
  const refused = await second.open(link);
  await refused.getByText("link_invalid").waitFor();
  expect(refused.url()).toBe(`${world.origin}/sign-in`);
  second.expectNoFaults(/401/);
});

test("settings that are edited in two windows and by a vault are the same everywhere", async () => {
  const visitor = await world.signedIn();
  const [one, other] = [await visitor.open(settingsPath()), await visitor.open(settingsPath())];
  await isLive(one);
  await isLive(other);

  await setting(one, "editor.fontSize").fill("18");
  await setting(one, "editor.fontSize").press("Enter");
  await has(other, "editor.fontSize", "18");

  await other.getByRole("switch", { name: "editor.formatOnSave" }).click();
  await expect.poll(() => one.getByRole("switch", { name: "editor.formatOnSave" }).isChecked()).toBe(false);

  await filled.laptop.run("set", "settings", "editor.tabSize", "8");
  await filled.laptop.run("sync");
  await has(one, "editor.tabSize", "8");
  await has(other, "editor.tabSize", "8");
  expect((await filled.laptop.run("get", "settings", "editor.fontSize")).trim()).toBe("18");
  expect((await filled.laptop.run("get", "settings", "editor.formatOnSave")).trim()).toBe("false");

  await one.getByRole("button", { name: "Reset editor.fontSize" }).click();
  await expect.poll(() => setting(other, "editor.fontSize").count()).toBe(0);
  await one.close();
  await other.close();
  visitor.expectNoFaults();
});

test("a value that is refused says why, and the old one stays", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open(`/vault/${filled.space}/${filled.profile}`);
  await page.getByRole("textbox", { name: "picture" }).fill("not an address");
  await page.getByRole("textbox", { name: "picture" }).press("Enter");
  await page.getByText("document_invalid").waitFor();
  await page.getByRole("button", { name: "Dismiss" }).click();
  await expect.poll(() => page.getByRole("textbox", { name: "picture" }).inputValue()).toBe("");
  visitor.expectNoFaults(/422/);
});

test("typing in a note is saved meanwhile, and merges with what a vault writes", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open(`/vault/${filled.space}/${filled.note}?edit`);
  await isLive(page);
  const area = page.getByRole("textbox", { name: "Text, in Markdown" });
  await area.press("Control+End");
  await area.pressSequentially("from the site");
  await expect
    .poll(() => filled.desk.run("sync").then(() => filled.desk.run("show", "Set list")))
    .toContain("from the site");
  const body = JSON.parse(await filled.desk.run("show", "Set list", "--json")) as { value: { body: string } };
  await filled.desk.run("patch", "Set list", JSON.stringify({ body: `from the desk\n\n${body.value.body}` }));
  await area.pressSequentially(" and more");
  await filled.desk.run("sync");
  await expect.poll(() => area.inputValue()).toMatch(/^from the desk[^]*from the site and more$/);
  await page.getByRole("button", { name: "Done" }).click();
  await area.waitFor({ state: "detached" });
  await page.getByText("<b>not HTML</b>").waitFor();
  visitor.expectNoFaults();
});

test("whoever looks at a document is shown to the others in it, and no longer than that", async () => {
  const [one, other] = [await world.signedIn(), await world.signedIn()];
  const mine = await one.open(settingsPath());
  const theirs = await other.open(settingsPath());
  // The space has the name of its person as well.
  const name = (page: Page) => page.locator("main header").getByText("ada", { exact: true });
  await name(mine).nth(1).waitFor();
  await name(theirs).nth(1).waitFor();
  await theirs.getByRole("link", { name: "My vault" }).first().click();
  await expect.poll(() => name(mine).count()).toBe(1);
  one.expectNoFaults();
  other.expectNoFaults();
});

test("an idle page asks for nothing in ten seconds", async () => {
  const visitor = await world.signedIn();
  for (const path of ["/vault", settingsPath(), "/devices"]) {
    const page = await visitor.open(path);
    await isConnected(page, path);
    await page.waitForTimeout(1_500);
    visitor.requests = 0;
    await page.waitForTimeout(10_000);
    expect(visitor.requests, path).toBe(0);
    await page.close();
  }
});

test("without a network the page says so, keeps edits, and sends them when it is back", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open(settingsPath());
  await isLive(page);
  await visitor.context.setOffline(true);
  await setting(page, "editor.tabSize").fill("3");
  await setting(page, "editor.tabSize").press("Enter");
  await page.getByText("1 edit waits for the network").waitFor();
  await visitor.context.setOffline(false);
  await page.getByText("Everything is saved").waitFor();
  await filled.laptop.run("sync");
  expect((await filled.laptop.run("get", "settings", "editor.tabSize")).trim()).toBe("3");
  await isLive(page);
  visitor.expectNoFaults(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK/);
});

test("history shows what an edit changed, and goes back to a version as a new edit", async () => {
  const visitor = await world.signedIn();
  await filled.laptop.run("set", "settings", "editor.tabSize", "5");
  await filled.laptop.run("set", "settings", "editor.tabSize", "6");
  await filled.laptop.run("sync");
  const page = await visitor.open(`${settingsPath()}/history`);
  await page.getByText("base / editor.tabSize").waitFor();
  await page.locator("ol li button").nth(1).click();
  await page.getByRole("button", { name: "Restore this version" }).click();
  await expect
    .poll(() => filled.laptop.run("sync").then(() => filled.laptop.run("get", "settings", "editor.tabSize")))
    .toBe("5\n");
  await page.goto(settingsPath());
  await page.getByRole("button", { name: "History of editor.tabSize", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("That is the whole history").waitFor();
  const values = await dialog.locator("li > code").allInnerTexts();
  expect(values.slice(0, 3)).toEqual(["5", "6", "5"]);
  visitor.expectNoFaults();
});

test("a session that is revoked elsewhere ends where somebody looks, at once, with a way back in", async () => {
  const [mine, lost] = [await world.signedIn(), await world.signedIn()];
  const page = await lost.open("/vault");
  await isLive(page);
  const devices = await mine.open("/devices");
  const others = devices
    .getByRole("listitem")
    .filter({ hasNotText: "this browser" })
    .getByRole("button", { name: /^Sign out/ });
  await others.first().waitFor();
  while ((await others.count()) > 0) {
    const before = await others.count();
    await others.first().click();
    await expect.poll(() => others.count()).toBeLessThan(before);
  }
  await page.getByRole("heading", { name: "You were signed out" }).waitFor();
  expect(await page.getByText("Set list").count()).toBe(0);
  await devices.getByText("this browser").waitFor();
  mine.expectNoFaults();
  lost.expectNoFaults(/401|ERR_INCOMPLETE_CHUNKED_ENCODING/);
});

function settingsPath(): string {
  return `/vault/${filled.space}/${filled.settings}`;
}

function setting(page: Page, key: string) {
  return page.getByRole("textbox", { name: key, exact: true });
}

async function has(page: Page, key: string, value: string): Promise<void> {
  await expect.poll(() => setting(page, key).inputValue()).toBe(value);
}

async function isConnected(page: Page, path: string): Promise<void> {
  if (path === "/devices") await page.getByText("this browser").waitFor();
  else await isLive(page);
}
