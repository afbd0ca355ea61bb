// The site without a mouse.

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

test("a setting is found, changed and looked back at with keys alone", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open("/");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.keyboard.press("Tab");
  expect(await focused(page)).toBe("Skip to the content");
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("settings");
  await page.getByRole("option", { name: /^Settings ada/ }).waitFor();
  while (!(await page.getByRole("option", { name: /^Settings ada/, selected: true }).count()))
    await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
  await isLive(page);

  await page.keyboard.press("/");
  await page.keyboard.type("fontSize");
  await tabTo(page, "editor.fontSize");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("21");
  await page.keyboard.press("Enter");
  await page.getByText("Everything is saved").waitFor();
  await filled.laptop.run("sync");
  expect((await filled.laptop.run("get", "settings", "editor.fontSize")).trim()).toBe("21");

  await tabTo(page, "History of editor.fontSize");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByText("21", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });

  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.getByRole("heading", { name: "Conflicts" }).waitFor();
  await expect.poll(() => focused(page)).toBe("Conflicts");
  visitor.expectNoFaults();
});

test("whatever has the focus can be seen to have it", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open(`/vault/${filled.space}/${filled.settings}`);
  await isLive(page);
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press("Tab");
    const outline = await page.evaluate(() => {
      const element = document.activeElement;
      return element === null || element === document.body ? "body" : getComputedStyle(element).outlineStyle;
    });
    expect(outline, `stop ${String(step)}: ${await focused(page)}`).not.toBe("none");
  }
});

async function tabTo(page: Page, name: string): Promise<void> {
  for (let step = 0; step < 60; step += 1) {
    if ((await focused(page)) === name) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${name}`);
}

function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
  });
}
