// The keymap is edited on the site and in vaults, and is the same everywhere.

import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { fill, type Filled } from "./filled.ts";
import { isLive, World } from "./world.ts";

let world: World;
let filled: Filled;

const comment = { key: "ctrl+k ctrl+c", command: "editor.action.addCommentLine", when: "editorTextFocus" };
const noRename = { key: "f2", command: "-editor.action.rename" };
const deleteLines = { key: "ctrl+shift+k", command: "editor.action.deleteLines", args: { lines: 1 } };

beforeAll(async () => {
  world = await World.begin();
  filled = await fill(world);
});
afterAll(() => world.end());

test("a binding that is recorded on the site is in the vaults, and what a vault imports is on the page", async () => {
  const visitor = await world.signedIn();
  const page = await opened(visitor.open(keymapPath()));
  await page.getByRole("button", { name: "Add a binding" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Record" }).click();
  await page.keyboard.press("Control+Shift+KeyK");
  await page.keyboard.press("Escape");
  await dialog.getByRole("button", { name: "Record" }).waitFor();
  expect(await dialog.getByRole("textbox", { name: "Keys" }).inputValue()).toBe(deleteLines.key);
  await dialog.getByRole("textbox", { name: "Command", exact: true }).fill(deleteLines.command);
  await dialog.getByRole("textbox", { name: /^Arguments/ }).fill('{"lines": 1}');
  await dialog.getByRole("button", { name: "Add a binding" }).click();
  await dialog.waitFor({ state: "detached" });
  await saved(page);
  await expectInVault([comment, noRename, deleteLines]);

  const added = { key: "ctrl+b", command: "workbench.action.toggleSidebarVisibility" };
  await importInVault([added, comment, noRename, deleteLines]);
  await expectRows(page, [added.command, comment.command, "editor.action.rename", deleteLines.command]);
  visitor.expectNoFaults();
});

test("bindings are moved, turned on, changed, removed and put back with keys alone", async () => {
  await importInVault([comment, noRename, deleteLines]);
  const visitor = await world.signedIn();
  const page = await opened(visitor.open(keymapPath()));
  await expectRows(page, [comment.command, "editor.action.rename", deleteLines.command]);

  await page.getByRole("button", { name: "Move ctrl+shift+k up" }).focus();
  await page.keyboard.press("Enter");
  await expectRows(page, [comment.command, deleteLines.command, "editor.action.rename"]);
  expect(await focused(page)).toBe("Move ctrl+shift+k up");
  await page.keyboard.press("Enter");
  await expectRows(page, [deleteLines.command, comment.command, "editor.action.rename"]);
  expect(await focused(page)).toBe("Move ctrl+shift+k down");

  await page.getByRole("switch", { name: "f2 runs editor.action.rename" }).focus();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Change ctrl+k ctrl+c" }).focus();
  await page.keyboard.press("Enter");
  const when = page.getByRole("dialog").getByRole("textbox", { name: /^When/ });
  await when.focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("textInputFocus");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await focused(page)).toBe("Change ctrl+k ctrl+c");
  await saved(page);
  const changed = { ...comment, when: "textInputFocus" };
  const rename = { ...noRename, command: "editor.action.rename" };
  await expectInVault([deleteLines, changed, rename]);

  await page.getByRole("button", { name: "Remove ctrl+shift+k" }).focus();
  await page.keyboard.press("Enter");
  await expectRows(page, [comment.command, rename.command]);
  await saved(page);
  await expectInVault([changed, rename]);
  await page.getByRole("button", { name: "Put it back" }).focus();
  await page.keyboard.press("Enter");
  await expectRows(page, [deleteLines.command, comment.command, rename.command]);
  await saved(page);
  await expectInVault([deleteLines, changed, rename]);
  visitor.expectNoFaults();
});

test("the page says which binding is never reached, already while it is entered", async () => {
  await importInVault([comment]);
  const visitor = await world.signedIn();
  const page = await opened(visitor.open(keymapPath()));
  await expectRows(page, [comment.command]);
  await page.getByRole("button", { name: "Add a binding" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Keys" }).fill("Ctrl + K  CTRL+c");
  await dialog.getByRole("textbox", { name: "Command", exact: true }).fill("acme.comment");
  await dialog.getByRole("textbox", { name: /^When/ }).fill(comment.when);
  await dialog.getByText("It takes these keys from binding 1.").waitFor();
  await dialog.getByRole("spinbutton", { name: /^Order/ }).fill("1");
  await dialog.getByText("Never reached: binding 2 comes later and takes these keys.").waitFor();
  await dialog.getByRole("button", { name: "Add a binding" }).click();
  await page
    .getByRole("list", { name: /^Key bindings/ })
    .getByText("Never reached: binding 2")
    .waitFor();
  await expectInVault([{ ...comment, command: "acme.comment" }, comment]);
  visitor.expectNoFaults();
});

function keymapPath(): string {
  return `/vault/${filled.space}/${filled.keymap}`;
}

async function opened(opening: Promise<Page>): Promise<Page> {
  const page = await opening;
  await isLive(page);
  await page.getByRole("list", { name: /^Key bindings/ }).waitFor();
  return page;
}

async function saved(page: Page): Promise<void> {
  await page.getByText("Everything is saved").waitFor();
}

/** The commands on the page, in order. */
async function expectRows(page: Page, commands: readonly string[]): Promise<void> {
  const rows = page.getByRole("list", { name: /^Key bindings/ }).getByRole("switch");
  const shown = async (): Promise<string[]> =>
    await rows.evaluateAll((found) => found.map((row) => row.getAttribute("aria-label")?.split(" runs ")[1] ?? ""));
  await expect.poll(shown).toEqual(commands);
}

async function expectInVault(bindings: readonly object[]): Promise<void> {
  const exported = async (): Promise<unknown> => {
    await filled.laptop.run("sync");
    return JSON.parse(await filled.laptop.run("export", "keymap", "--json"));
  };
  await expect.poll(exported).toEqual(bindings);
}

async function importInVault(bindings: readonly object[]): Promise<void> {
  await filled.laptop.run("sync");
  await filled.laptop.run("import", "keymap", world.file("bindings.json", JSON.stringify(bindings)));
  await filled.laptop.run("sync");
}

function focused(page: Page): Promise<string | null> {
  return page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? null);
}
