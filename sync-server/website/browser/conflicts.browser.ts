// A conflict that was made while two devices were apart is decided on the site, and seen in both vaults.

import { afterAll, beforeAll, expect, test } from "vitest";

import { disagree, fill, type Filled } from "./filled.ts";
import { isLive, World } from "./world.ts";

let world: World;
let filled: Filled;

beforeAll(async () => {
  world = await World.begin();
  filled = await fill(world);
});
afterAll(() => world.end());

test("a conflict appears live, is decided side by side, and both vaults have the decision", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open("/vault");
  await isLive(page);
  await page
    .getByRole("navigation", { name: "My vault" })
    .getByRole("link", { name: /Conflicts/ })
    .click();
  await page.getByText("Nothing waits for you").waitFor();

  await disagree(filled);
  await page.getByRole("link", { name: /Profile/ }).click();
  await page.getByText("ada@analytical.example").waitFor();
  await page.getByText("countess@lovelace.example").waitFor();
  await page.getByRole("button", { name: "Keep this: countess@lovelace.example" }).click();
  await page.getByText("Everything here is settled").waitFor();

  for (const vault of [filled.laptop, filled.desk]) {
    await vault.run("sync");
    const shown = JSON.parse(await vault.run("show", "profile", "--json")) as { value: { email: string } };
    expect(shown.value.email).toBe("countess@lovelace.example");
    expect(JSON.parse(await vault.run("conflicts", "--json"))).toHaveLength(0);
  }
  visitor.expectNoFaults();
});

test("another value than those that are there can be put", async () => {
  await filled.laptop.run("patch", "profile", JSON.stringify({ email: "one@example.org" }));
  await filled.desk.run("patch", "profile", JSON.stringify({ email: "two@example.org" }));
  await filled.laptop.run("sync");
  await filled.desk.run("sync");
  const visitor = await world.signedIn();
  const page = await visitor.open(`/conflicts/${filled.space}/${filled.profile}`);
  await page.getByRole("textbox", { name: "Or another value" }).fill("not an address");
  await page.getByRole("button", { name: "Put this" }).click();
  await page.getByText("document_invalid").waitFor();
  await page.getByRole("textbox", { name: "Or another value" }).fill("third@example.org");
  await page.getByRole("button", { name: "Put this" }).click();
  await page.getByText("Everything here is settled").waitFor();
  await filled.laptop.run("sync");
  const shown = JSON.parse(await filled.laptop.run("show", "profile", "--json")) as { value: { email: string } };
  expect(shown.value.email).toBe("third@example.org");
  visitor.expectNoFaults(/422/);
});
