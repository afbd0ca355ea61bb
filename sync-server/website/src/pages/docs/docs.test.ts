import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { expect, test } from "vitest";

import { operationsOf, shapeOf, type Described } from "./openapi.ts";
import { find, sectionsOf } from "./search.ts";
import { docLink } from "./sources.ts";

test.each([
  ["api", "queries.md#over-http", "/docs/queries#over-http"],
  ["api", "openapi.json", "/docs/api-reference"],
  ["api", "decisions/0026-authority.md", "/docs/decisions/0026-authority"],
  ["decisions/0018-conflicts", "../conflicts.md", "/docs/conflicts"],
  ["api", "#caching", "#caching"],
  ["queries", "../schemas/types/meta.json", null],
  ["api", "missing.md", null],
])("on the page %s a link to %s leads to %s", (from, href, to) => {
  expect(docLink(from, href)).toBe(to);
});

test("search finds sections that have all words, those with a word in the heading first", () => {
  const source =
    "# Doc\n\nIntro about milk.\n\n## Milk\n\nWhite.\n\n```sh\n## no heading\n```\n\n## Eggs\n\nWith milk and salt.\n";
  const sections = sectionsOf("doc", source);
  expect(sections.map(({ heading }) => heading)).toEqual(["Doc", "Milk", "Eggs"]);
  expect(find(sections, "milk").map(({ section }) => section.heading)).toEqual(["Milk", "Doc", "Eggs"]);
  expect(find(sections, "milk salt").map(({ section }) => section.slug)).toEqual(["eggs"]);
  expect(find(sections, "butter")).toEqual([]);
});

test("the reference has every operation of the description", () => {
  const document = JSON.parse(readFileSync(resolve("../../docs/openapi.json"), "utf8")) as Described;
  const operations = operationsOf(document);
  expect(operations.length).toBe(Object.values(document.paths).flatMap((methods) => Object.keys(methods)).length);
  expect(operations.find(({ id }) => id === "getDocument")?.answers[0]?.shape).toContain("value: ");
});

test("a shape names what may be missing, and does not follow references for ever", () => {
  const schemas = { Tree: { properties: { left: { $ref: "#/components/schemas/Tree" } }, required: [] } };
  const shape = shapeOf({ paths: {}, components: { schemas } }, { $ref: "#/components/schemas/Tree" });
  expect(shape).toMatch(/left\?: \{[^]*left\?: Tree/);
});
