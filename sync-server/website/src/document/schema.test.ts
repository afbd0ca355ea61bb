import { expect, test } from "vitest";

import { publicFieldsOf, schemaOf } from "./schema.ts";

test("public fields are those that are public, or have something public in them", () => {
  expect(publicFieldsOf(schemaOf("review"))).toEqual(["extension", "rating", "title", "text", "version"]);
  expect(publicFieldsOf(schemaOf("profile"))).not.toContain("email");
  expect(publicFieldsOf(schemaOf("settings"))).toEqual([]);
  expect(publicFieldsOf(null)).toEqual([]);
  const inner = { type: "object", properties: { b: { "x-public": true } } };
  const root = { $defs: { inner }, properties: { a: { items: { $ref: "#/$defs/inner" } }, c: { type: "string" } } };
  expect(publicFieldsOf(root)).toEqual(["a"]);
});
