// A person shows his profile to everybody, sees that it is shown, and takes it back.

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

test("a profile is shown to everybody once its person says so, and to nobody after he takes it back", async () => {
  const visitor = await world.signedIn();
  const stranger = await world.visitor();
  const page = await visitor.open(`/vault/${filled.space}/${filled.profile}`);
  await isLive(page);
  const publication = page.locator("section").filter({ has: page.getByRole("heading", { name: "Publication" }) });
  await publication.getByText("Not published, because /shown is not true").waitFor();
  await publication.getByText("not public", { exact: true }).waitFor();

  await page.getByRole("switch", { name: "shown" }).click();
  await publication.getByText("public", { exact: true }).waitFor();
  const path = await publication.getByRole("link", { name: /^\/api\/v1\/public\// }).getAttribute("href");
  const answer = await stranger.context.request.get(path ?? "");
  expect(await answer.json()).toMatchObject({ type: "profile", value: { name: "Ada" } });
  await filled.laptop.run("sync");
  const inVault = JSON.parse(await filled.laptop.run("publication", "profile", "--json")) as { state: string };
  expect(inVault.state).toBe("public");

  await filled.laptop.run("patch", "profile", JSON.stringify({ shown: false }));
  await filled.laptop.run("sync");
  await publication.getByText("not public", { exact: true }).waitFor();
  expect((await stranger.context.request.get(path ?? "")).status()).toBe(404);
  visitor.expectNoFaults();
});

test("a document of a type without public fields says nothing of publication", async () => {
  const visitor = await world.signedIn();
  const page = await visitor.open(`/vault/${filled.space}/${filled.settings}`);
  await isLive(page);
  await page.getByRole("textbox", { name: "editor.tabSize", exact: true }).waitFor();
  expect(await page.getByRole("heading", { name: "Publication" }).count()).toBe(0);
  visitor.expectNoFaults();
});
