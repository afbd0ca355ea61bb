// The relay answers 404 for every path that is not in routes.json.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { expect, test } from "vitest";

import { docPages, docPath } from "../pages/docs/pages.ts";
import { hasDoc } from "../pages/docs/sources.ts";
import { text } from "../text.ts";
import { routes } from "./routes.ts";
import { destinations } from "./shortcuts.ts";

const paths = routes.map(({ path }) => path);

test("routes.json has the paths of the router", () => {
  expect(JSON.parse(readFileSync(resolve("routes.json"), "utf8"))).toEqual(paths);
});

test("every shortcut leads to a page", () => {
  for (const path of Object.values(destinations)) expect(paths).toContain(path);
});

test("every page of the documentation has a text and a name", () => {
  for (const page of docPages.flatMap((group) => group.pages)) {
    expect(page === "api-reference" || hasDoc(page), page).toBe(true);
    expect(text.docs.pages[page]).not.toBe("");
    expect(docPath(page)).toMatch(/^\/docs/);
  }
});
